"""Writes and reads the file of an index; reading needs only the parts that are asked for."""

from __future__ import annotations

import json
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any, BinaryIO

import zstandard
from blake3 import blake3

from engine.archive.index import (
    DELETED,
    FILE,
    FORMAT,
    HARDLINK,
    HEAD_BYTES,
    SEAL_BYTES,
    SKIPPABLE_MAGIC,
    ArchiveFrame,
    IndexEnd,
    IndexEntry,
    IndexHeader,
    Part,
    entry_of,
    line_of,
    member_bytes,
    member_text,
    order_of,
)
from engine.model.errors import ManifestError

PART_CHARS = 256 * 1024  # lines of one frame; a directory is found by reading one or two
MAX_PART_BYTES = 64 * 1024 * 1024  # a frame that says it is larger is an attack
MAX_FRAMES_BYTES = 2**31
_LEVEL = 3
_MAX_INDEX_BYTES = 2**32 - 1  # of a skippable frame
_SEAL = struct.Struct("<IIQQ32s")
_HEAD = struct.Struct("<II")
_HINT = "another copy of the backup job has the same index"


class IndexWriter:
    """Writes an index while the archive is made; entries come in the order of the index.

    Args:
        stream: a new file, seekable.
        header: whose index.
    """

    def __init__(self, stream: BinaryIO, header: IndexHeader) -> None:
        self._stream = stream
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._lines: list[str] = []
        self._chars = 0
        self._first = b""
        self._parts: list[Part] = []
        self._jobs: set[int] = set()
        self._end = IndexEnd()
        self._entries = self._files = self._size_bytes = 0
        stream.write(_HEAD.pack(SKIPPABLE_MAGIC, 0))
        record = {"type": "index", "format": FORMAT, **asdict(header)}
        self._frame(_json(record))

    def add(self, entry: IndexEntry) -> None:
        """Adds an entry."""
        line = line_of(entry)
        if not self._lines:
            self._first = entry.directory
        self._lines.append(line)
        self._chars += len(line)
        self._entries += 1
        if entry.kind in (FILE, HARDLINK):
            self._files += 1
            self._size_bytes += entry.size
        if entry.kind == FILE:
            self._jobs.add(entry.job)
        if self._chars >= PART_CHARS:
            self._cut()

    @property
    def files(self) -> int:
        """Names of files so far."""
        return self._files

    @property
    def size_bytes(self) -> int:
        """Bytes of these files."""
        return self._size_bytes

    def finish(
        self,
        frames: Iterable[ArchiveFrame],
        *,
        tar_bytes: int,
        volumes: int,
        volume_bytes: int,
        archived: int,
    ) -> IndexEnd:
        """Writes what stands at the end; the stream is whole then, and not synced.

        Raises:
            ManifestError: the index is larger than its format can hold.
        """
        self._cut()
        every = list(frames)
        lines = "".join(
            f'{{"type":"frame","offset":{one.offset},"length":{one.length},'
            f'"blake3":"{one.digest.hex()}"}}\n'
            for one in every
        )
        frames_at = self._frame(lines)
        end = IndexEnd(
            entries=self._entries,
            files=self._files,
            size_bytes=self._size_bytes,
            jobs=tuple(sorted(self._jobs)),
            tar_bytes=tar_bytes,
            volumes=volumes,
            volume_bytes=volume_bytes,
            archived=archived,
            archive_bytes=every[-1].offset + every[-1].length if every else 0,
            parts=tuple(self._parts),
            frames_at=frames_at,
        )
        offset, length = self._frame(_end_line(end))
        self._stream.seek(offset)
        digest = blake3(self._stream.read(length)).digest()
        self._stream.seek(offset + length)
        self._stream.write(
            _SEAL.pack(SKIPPABLE_MAGIC, SEAL_BYTES - HEAD_BYTES, offset, length, digest)
        )
        total = self._stream.tell() - HEAD_BYTES
        if total > _MAX_INDEX_BYTES:
            raise ManifestError(
                f"the index of {self._entries} paths is too large",
                hint="divide the content among several subclients",
            )
        self._stream.seek(0)
        self._stream.write(_HEAD.pack(SKIPPABLE_MAGIC, total))
        self._stream.seek(0, 2)
        self._stream.flush()
        return end

    def _cut(self) -> None:
        if self._lines:
            offset, length = self._frame("".join(self._lines))
            self._parts.append(Part(self._first, offset, length))
            self._lines, self._chars = [], 0

    def _frame(self, text: str) -> tuple[int, int]:
        packed = self._compressor.compress(text.encode("ascii"))
        offset = self._stream.tell()
        self._stream.write(packed)
        return offset, len(packed)


class IndexFile:
    """An index that is open for reading.

    Args:
        stream: seekable; closed by `close`.

    Raises:
        ManifestError: it is damaged, or of an unknown format.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.header, first = self._read_head()
        self.end = self._read_end()
        self._starts = [order_of(part.directory) for part in self.end.parts]
        if self._starts != sorted(self._starts) or first <= HEAD_BYTES:
            raise _damaged("its parts are not in order")

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def entries(self) -> Iterator[IndexEntry]:
        """Every entry, deleted ones too, directory by directory."""
        for part in self.end.parts:
            yield from self._part(part)

    def directories(self) -> Iterator[tuple[bytes, list[IndexEntry]]]:
        """The entries of each directory that has any, in order; what is deleted is left out."""
        name, group = b"", list[IndexEntry]()
        for entry in self.entries():
            if entry.kind == DELETED:
                continue
            directory = entry.directory
            if group and directory != name:
                yield name, group
                group = []
            name = directory
            group.append(entry)
        if group:
            yield name, group

    def children(self, directory: bytes) -> list[IndexEntry]:
        """What lies in a directory; empty when it is not there, or empty."""
        wanted = order_of(directory)
        at = max(0, bisect_left(self._starts, wanted) - 1)
        last = bisect_right(self._starts, wanted)
        return [
            entry
            for part in self.end.parts[at:last]
            for entry in self._part(part)
            if entry.directory == directory and entry.kind != DELETED
        ]

    def entry(self, path: bytes) -> IndexEntry | None:
        """One path; None when it was not there."""
        directory = path.rpartition(b"/")[0]
        return next((one for one in self.children(directory) if one.path == path), None)

    def frames(self) -> list[ArchiveFrame]:
        """The frames of the archive of this backup job.

        Raises:
            ManifestError: damaged.
        """
        offset, length = self.end.frames_at
        found = []
        at = 0
        for record in _records(self._unpacked(offset, length, MAX_FRAMES_BYTES)):
            frame = ArchiveFrame(
                int(record["offset"]), int(record["length"]), bytes.fromhex(record["blake3"])
            )
            if frame.offset != at or frame.length <= 0:
                raise _damaged("its frames are not in order")
            at += frame.length
            found.append(frame)
        return found

    def _part(self, part: Part) -> list[IndexEntry]:
        return [entry_of(record) for record in _records(self._unpacked(*part[1:], MAX_PART_BYTES))]

    def _read_head(self) -> tuple[IndexHeader, int]:
        head = self._at(0, HEAD_BYTES + 64 * 1024)
        if len(head) < HEAD_BYTES or _HEAD.unpack(head[:HEAD_BYTES])[0] != SKIPPABLE_MAGIC:
            raise _damaged("it is no index")
        try:
            unpacker = zstandard.ZstdDecompressor().decompressobj()
            text = b""
            at = HEAD_BYTES
            while not unpacker.eof:
                more = self._at(at, 64 * 1024)
                if not more or len(text) > MAX_PART_BYTES:
                    raise _damaged("its first line does not end")
                text += unpacker.decompress(more)
                at += len(more)
            record = json.loads(text)
            if record.pop("type") != "index" or record.pop("format") != FORMAT:
                raise _damaged("its format is unknown to this version")
            record["content"] = tuple(record["content"])
            record["exclude"] = tuple(record["exclude"])
            return IndexHeader(**record), at
        except (zstandard.ZstdError, ValueError, KeyError, TypeError) as err:
            raise _damaged(f"its first line cannot be read: {err!r}") from err

    def _read_end(self) -> IndexEnd:
        self._stream.seek(0, 2)
        size = self._stream.tell()
        if size < HEAD_BYTES + SEAL_BYTES:
            raise _damaged("it is cut off")
        magic, _, offset, length, digest = _SEAL.unpack(self._at(size - SEAL_BYTES, SEAL_BYTES))
        if magic != SKIPPABLE_MAGIC or offset + length + SEAL_BYTES != size:
            raise _damaged("it is cut off, or its end is wrong")
        packed = self._at(offset, length)
        if blake3(packed).digest() != digest:
            raise _damaged("its end has another digest")
        try:
            return _end_of(json.loads(_unpack(packed, MAX_FRAMES_BYTES)))
        except (ValueError, KeyError, TypeError) as err:
            raise _damaged(f"its end cannot be read: {err!r}") from err

    def _unpacked(self, offset: int, length: int, most_bytes: int) -> bytes:
        packed = self._at(offset, length)
        if len(packed) != length:
            raise _damaged("it is cut off")
        return _unpack(packed, most_bytes)

    def _at(self, offset: int, length: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(length)


def _unpack(packed: bytes, most_bytes: int) -> bytes:
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= most_bytes:
            raise _damaged("a part of it has an impossible size")
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as err:
        raise _damaged(str(err)) from err


def _records(text: bytes) -> list[dict[str, Any]]:
    """The lines, read as one array: a call for each of them takes longer than what it reads."""
    lines = text.splitlines()
    try:
        records: list[dict[str, Any]] = json.loads(b"[%b]" % b",".join(lines))
    except (ValueError, RecursionError) as err:
        raise _damaged(f"a line cannot be read: {err}") from err
    if len(records) != len(lines) or not all(isinstance(record, dict) for record in records):
        raise _damaged("a line is no object")
    return records


def _end_line(end: IndexEnd) -> str:
    plain = asdict(replace(end, parts=()))
    del plain["parts"]
    parts = ",".join(
        f'{{{member_text("directory", part.directory)},"offset":{part.offset},"length":{part.length}}}'
        for part in end.parts
    )
    return _json({"type": "end", **plain})[:-2] + f',"parts":[{parts}]}}\n'


def _end_of(record: dict[str, Any]) -> IndexEnd:
    if record.pop("type") != "end":
        raise ValueError("not an end")
    parts = tuple(
        Part(member_bytes(part, "directory"), int(part["offset"]), int(part["length"]))
        for part in record.pop("parts")
    )
    first, length = record.pop("frames_at")
    jobs = tuple(record.pop("jobs"))
    return IndexEnd(**record, jobs=jobs, parts=parts, frames_at=(first, length))


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"


def _damaged(why: str) -> ManifestError:
    return ManifestError(f"an index is damaged: {why}", hint=_HINT)
