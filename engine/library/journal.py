"""The journal of an unfinished job copy: which chunks are written, synced and hashed.

Append-only, in batches, each durable before it is believed. Every line carries a checksum over a
random number of this journal and its own bytes, so that a torn line, a flipped bit or a block of
another journal is not taken for a proof: its chunk is copied again. The header binds the journal
to one backup job and the content of its source, and tells in which boot of this host it was begun.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from blake3 import blake3

from engine.library.beneath import create_file, open_own_file, unlink_if_there, write_all
from engine.library.interface import Done
from engine.library.json_members import bytes_member
from engine.library.layout import ASIDE_SUFFIX, JOURNAL
from engine.model.entries import DIGEST_BYTES, Chunk, PieceEnd
from engine.model.errors import DestinationWrite, UnsafeName
from engine.model.names import RelPath, path_from_json

FORMAT = 1
_MAX_LINE_BYTES = 32 * 1024  # a path of 4,000 bytes is at most 24,000 as JSON
_ENDS_PER_LINE = 64  # 84 bytes each
_CHECK_BYTES = 8
_COMPACT = (",", ":")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"

ChunksByOffset = dict[int, Chunk]


def boot_id() -> str:
    """What tells one boot of this host from another."""
    with open(_BOOT_ID, encoding="ascii") as stream:
        return stream.read().strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHeader:
    """What a journal belongs to."""

    backup_job_id: int
    source_key: str
    boot_id: str
    nonce: str = field(default_factory=lambda: secrets.token_hex(16), compare=False)
    """Random; the checksum of every line of this journal depends on it."""

    def is_for_same_source(self, other: JournalHeader) -> bool:
        """True when both are of the same backup job, read from the same content."""
        mine, theirs = (
            (self.backup_job_id, self.source_key),
            (other.backup_job_id, other.source_key),
        )
        return mine == theirs


@dataclass(slots=True, kw_only=True)
class JournalContent:
    """What the valid lines of a journal say."""

    header: JournalHeader
    chunks: dict[RelPath, ChunksByOffset]
    ends: dict[RelPath, dict[int, PieceEnd]]
    """By their position in the encoded file."""
    damaged: int
    """Lines that are torn or damaged: what they said is copied again."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    """What the library wrote down for itself besides, in order."""


class Journal:
    """An open journal. Not thread-safe: the writer of the job copy holds its lock.

    Args:
        fd: the file, at its end; the journal closes it.
        header: what it belongs to.
    """

    def __init__(self, fd: int, header: JournalHeader) -> None:
        self._fd = fd
        self._header = header
        self._end = os.fstat(fd).st_size
        self._is_dead = False

    @classmethod
    def begin(
        cls,
        directory: int,
        header: JournalHeader,
        chunks: Iterable[Done] = (),
        notes: Iterable[dict[str, Any]] = (),
    ) -> Journal:
        """Begins a journal in a directory, in place of an older one; durable on return.

        Args:
            chunks: what is proven already.
            notes: of the library, see `append`.

        Raises:
            OSError: it cannot be written.
        """
        aside = JOURNAL + ASIDE_SUFFIX
        unlink_if_there(aside, parent=directory)
        fd = create_file(aside, parent=directory)
        try:
            write_all(fd, b"".join(journal_lines(header, chunks, notes)), 0)
            os.fsync(fd)
            os.rename(aside, JOURNAL, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
            return cls(fd, header)
        except OSError:
            os.close(fd)
            raise

    @classmethod
    def go_on(cls, directory: int, header: JournalHeader) -> Journal:
        """Opens a journal that was read, to append to it; a torn last line is closed off.

        Raises:
            OSError: it cannot be opened.
        """
        fd = open_own_file(JOURNAL, parent=directory, write=True)
        try:
            journal = cls(fd, header)
            journal._append(b"\n")
            return journal
        except OSError:
            os.close(fd)
            raise

    def append(self, done: Sequence[Done], notes: Sequence[dict[str, Any]] = ()) -> None:
        """Adds chunks; durable on return.

        Args:
            notes: what the library must know besides to go on with them; they come first.

        Raises:
            OSError: they are not proven, and nothing more can be with this journal.
            DestinationWrite: it failed before.
        """
        lines = [_note_line(self._header, note) for note in notes]
        lines += [done_lines(self._header, one) for one in done]
        self._append(b"".join(lines))

    def drop(self, path: RelPath) -> None:
        """Takes back all that was said of a file; raises as `append`."""
        self._append(drop_line(self._header, path))

    def close(self) -> None:
        """Closes the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, data: bytes) -> None:
        if self._is_dead:
            raise DestinationWrite("cannot write the journal: an earlier write to it failed")
        try:
            write_all(self._fd, data, self._end)
            os.fdatasync(self._fd)
        except OSError:
            self._is_dead = True  # what a failed sync left is unknown: never synced again
            raise
        self._end += len(data)


def read_journal(directory: int) -> JournalContent | None:
    """Reads the journal of a directory; None when there is none that can be trusted at all.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        fd = open_own_file(JOURNAL, parent=directory, write=False)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as stream:
        return journal_content(stream)


def journal_content(stream: BinaryIO) -> JournalContent | None:
    """What a journal says, read from its beginning; None when it cannot be trusted at all."""
    header = _header_of(stream.readline(_MAX_LINE_BYTES))
    if header is None:
        return None
    content = JournalContent(header=header, chunks={}, ends={}, damaged=0)
    while line := stream.readline(_MAX_LINE_BYTES):
        if line != b"\n" and not _take(content, line):
            content.damaged += 1
    return content


def all_done(
    chunks: Mapping[RelPath, ChunksByOffset], ends: Mapping[RelPath, Mapping[int, PieceEnd]]
) -> Iterator[Done]:
    """What is proven, for a journal that is begun anew: the ends of a file with its last chunk."""
    for path, by_offset in chunks.items():
        last = max(by_offset)
        for offset, chunk in by_offset.items():
            mine = ends_in_order(ends.get(path, {})) if offset == last else ()
            yield Done(path, chunk, mine)


def ends_in_order(ends: Mapping[int, PieceEnd]) -> tuple[PieceEnd, ...]:
    """The ends of one file by their position."""
    return tuple(ends[at] for at in sorted(ends))


def _take(content: JournalContent, line: bytes) -> bool:
    """Takes what a line says; False when it is damaged."""
    record = _record_of(content.header.nonce, line)
    if record is None:
        return False
    note = record.get("note")
    if isinstance(note, dict):
        content.notes.append(note)
        return True
    try:
        path = path_from_json(record)
    except UnsafeName:
        return False
    if record.get("dropped") is True:
        content.chunks.pop(path, None)
        content.ends.pop(path, None)
        return True
    if "ends" in record:
        ends = _ends_of(record["ends"])
        content.ends.setdefault(path, {}).update({end.at: end for end in ends or ()})
        return ends is not None
    chunk = _chunk_of(record.get("chunk"))
    if chunk is None:
        return False
    content.chunks.setdefault(path, {})[chunk.offset] = chunk
    return True


def journal_lines(
    header: JournalHeader, chunks: Iterable[Done], notes: Iterable[dict[str, Any]] = ()
) -> Iterator[bytes]:
    """The lines of a journal that begins with these chunks and notes."""
    record = {
        "format": FORMAT,
        "backup_job_id": header.backup_job_id,
        "source_key": header.source_key,
        "boot_id": header.boot_id,
        "nonce": header.nonce,
    }
    yield _line("", json.dumps(record, separators=_COMPACT)[1:-1])
    for note in notes:
        yield _note_line(header, note)
    for done in chunks:
        yield done_lines(header, done)


def done_lines(header: JournalHeader, done: Done) -> bytes:
    """The line of a chunk, and behind it those of the ends in it: without them it is made anew."""
    offset, length, digest = done.chunk
    path = bytes_member("path", done.path)
    line = _line(header.nonce, f'{path},"chunk":[{offset},{length},"{digest.hex()}"]')
    if not done.ends:
        return line
    ends = [f'[{end.at},"{end.digest.hex()}"]' for end in done.ends]
    for first in range(0, len(ends), _ENDS_PER_LINE):
        part = ",".join(ends[first : first + _ENDS_PER_LINE])
        line += _line(header.nonce, f'{path},"ends":[{part}]')
    return line


def drop_line(header: JournalHeader, path: RelPath) -> bytes:
    """The line that takes back all that was said of a file."""
    return _line(header.nonce, f'{bytes_member("path", path)},"dropped":true')


def _note_line(header: JournalHeader, note: dict[str, Any]) -> bytes:
    return _line(header.nonce, f'"note":{json.dumps(note, separators=_COMPACT)}')


def _line(nonce: str, members: str) -> bytes:
    body = b"{%b}" % members.encode("ascii")
    return _checksum(nonce, body) + b" " + body + b"\n"


def _checksum(nonce: str, body: bytes) -> bytes:
    return blake3(nonce.encode("ascii") + body).digest(length=_CHECK_BYTES).hex().encode("ascii")


def _record_of(nonce: str, line: bytes) -> dict[str, Any] | None:
    check, _, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or check != _checksum(nonce, body):
        return None
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _header_of(line: bytes) -> JournalHeader | None:
    record = _record_of("", line)
    if record is None or record.get("format") != FORMAT:
        return None
    job_id, texts = record.get("backup_job_id"), ("source_key", "boot_id", "nonce")
    if not isinstance(job_id, int) or not all(isinstance(record.get(key), str) for key in texts):
        return None
    return JournalHeader(backup_job_id=job_id, **{key: record[key] for key in texts})


def _chunk_of(value: object) -> Chunk | None:
    match value:
        case [int(offset), int(length), str(digest)] if offset >= 0 and length > 0:
            try:
                found = Chunk(offset, length, bytes.fromhex(digest))
            except ValueError:
                return None
            return found if len(found.digest) == DIGEST_BYTES else None
    return None


def _ends_of(value: object) -> list[PieceEnd] | None:
    """The ends of a line; None when it is not of this form."""
    ends: list[PieceEnd] = []
    for item in value if isinstance(value, list) else (None,):
        match item:
            case [int(at), str(digest)] if at >= 0 and len(digest) == 2 * DIGEST_BYTES:
                try:
                    ends.append(PieceEnd(at, bytes.fromhex(digest)))
                except ValueError:
                    return None
            case _:
                return None
    return ends
