"""How a file is cut into the parts of a multipart upload. Pure.

Parts are whole divisions of chunks, so that a chunk that is proven is a set of parts that are
proven; 10,000 parts at most, 5 MiB at least each but the last.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.entries import Chunk, FileEntry, chunk_bytes_for
from engine.model.errors import DestinationWrite
from engine.model.names import shown

MAX_PARTS = 10_000
WHOLE_BYTES = 16 * 1024 * 1024
"""A file up to this size is one object put at once."""
PART_BYTES = 8 * 1024 * 1024
"""Of files whose chunks are 32 MiB; it grows where 10,000 parts would not reach."""


def part_bytes_for(size_bytes: int) -> int:
    """Size of the parts of a file; a power of two that divides its chunks."""
    part = PART_BYTES
    while part < chunk_bytes_for(size_bytes) and size_bytes > part * MAX_PARTS:
        part *= 2
    return part


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one file; numbers begin with 1, as in the protocol."""

    size: int
    part_bytes: int

    @property
    def is_whole(self) -> bool:
        """True for a file that is one object put at once."""
        return self.part_bytes >= self.size

    @property
    def count(self) -> int:
        """How many there are; one for an empty file."""
        return max(1, -(-self.size // self.part_bytes))

    def number_at(self, offset: int) -> int:
        """The part that a byte lies in."""
        return offset // self.part_bytes + 1

    def start(self, number: int) -> int:
        """Offset of the first byte of a part."""
        return (number - 1) * self.part_bytes

    def length(self, number: int) -> int:
        """Bytes of a part."""
        return min(self.part_bytes, self.size - self.start(number))

    def within(self, chunk: Chunk) -> range:
        """Numbers of the parts that a chunk consists of."""
        return range(
            self.number_at(chunk.offset), self.number_at(chunk.offset + chunk.length - 1) + 1
        )

    def fits(self, chunk: Chunk) -> bool:
        """True when a chunk consists of whole parts."""
        end = chunk.offset + chunk.length
        begins = chunk.offset % self.part_bytes == 0
        return begins and (end % self.part_bytes == 0 or end == self.size)


def parts_of(entry: FileEntry) -> Parts:
    """The parts of a file.

    Raises:
        DestinationWrite: it is larger than an object can be.
    """
    if entry.size <= WHOLE_BYTES:
        return Parts(entry.size, max(1, entry.size))
    part = part_bytes_for(entry.size)
    if entry.size > part * MAX_PARTS:
        raise DestinationWrite(
            f"cannot write {shown(entry.path)}: {entry.size} bytes are more than {MAX_PARTS} parts "
            f"of {part} bytes, the most that an object can have",
            hint="keep this backup job on a library of another kind",
        )
    return Parts(entry.size, part)


def goes_straight(entry: FileEntry, parts: Parts) -> bool:
    """True when every chunk of a file consists of whole parts: nothing has to be staged."""
    return all(parts.fits(chunk) for chunk in entry.chunks)
