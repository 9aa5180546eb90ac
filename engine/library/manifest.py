"""The manifest: the list of a backup job's files and chunks, beside the data on every copy.

`manifest.jsonl.zst` is one zstd frame of JSON lines (a header, a line per entry in the order of
`entry_order`, a last line with their number and BLAKE3) and a seal: a skippable frame, which
standard tools pass over, with the BLAKE3 of everything before it. So a byte that is lost or
flipped anywhere is found before the first entry is handed out. A manifest is read as a stream:
the caps on lines and on its size hold whatever it says of itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import zstandard
from blake3 import blake3

from engine.library import records
from engine.library.durable_file import replace_durably
from engine.library.manifest_lines import line_from_end, line_from_entry, line_from_header
from engine.model.entries import (
    DIGEST_BYTES,
    Chunk,
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    original_path,
)
from engine.model.errors import ManifestError, SourceRead
from engine.model.names import RelPath, shown

MAX_LINE_BYTES = 32 * 1024**2  # a file of 64 TiB in chunks of 256 MiB takes 24 MiB
MAX_LINES_BYTES = 16 * 1024**3  # about 50 million entries
_MAX_WINDOW_BYTES = 8 * 1024**2  # what a reader may be made to allocate; level 3 needs 2 MiB
_LEVEL = 3
_BLOCK_BYTES = 256 * 1024
_SEAL_MAGIC = b"\x5e\x2a\x4d\x18" + DIGEST_BYTES.to_bytes(4, "little")
_SEAL_BYTES = len(_SEAL_MAGIC) + DIGEST_BYTES
_HINT = "verify this copy, and repair it from another one"


def entry_order(entry: Entry) -> bytes:
    """Sort key of entries: by components, so that parents come before children.

    By the names in the backup job: what an encoding calls them changes no order. NUL is below
    every byte of a name, and never in one.
    """
    return original_path(entry).replace(b"/", b"\0")


def in_manifest_order(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Entries in the order of `entry_order`: a list is sorted, anything else must come so.

    What is made anew at each pass, or streamed, is not to be held in memory for a sort; where it
    is out of order after all, `write_manifest` refuses it.
    """
    return sorted(entries, key=entry_order) if isinstance(entries, list) else entries


def write_manifest(
    stream: BinaryIO,
    header: ManifestHeader,
    entries: Iterable[Entry],
    *,
    keeps_identity: bool = True,
) -> bytes:
    """Writes a manifest to a stream.

    Args:
        entries: in the order of `entry_order`; chunks with digests, or none where they are not
            known yet.
        keeps_identity: with the identities of the files at their source; not for the media.

    Returns:
        BLAKE3 of what was written.

    Raises:
        ManifestError: the entries are not in order, or do not make a tree.
    """
    sealed = blake3()

    def put(data: bytes) -> None:
        sealed.update(data)
        stream.write(data)

    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    for block in _blocks(header, entries, keeps_identity):
        put(compressor.compress(block))
    put(compressor.flush())
    put(_SEAL_MAGIC + sealed.digest())
    return sealed.digest()


def read_manifest(stream: BinaryIO) -> tuple[ManifestHeader, Iterator[Entry]]:
    """Reads a manifest from a seekable stream, which must stay open while entries are taken.

    Seal, last line and number of entries are checked before this returns; what a line says is
    checked when it is taken.

    Raises:
        ManifestError: it is damaged, hostile or of an unknown format; also raised by the iterator.
        OSError: the stream cannot be read; also raised by the iterator.
    """
    body_bytes = _check_seal(stream)
    stream.seek(0)
    count, first = _check_lines(_read_lines(stream, body_bytes))
    header = records.header_from_record(records.record_from_line(first))
    stream.seek(0)
    return header, _entries(stream, body_bytes, count, is_encoded=not header.encoding.is_plain)


def manifest_digest(stream: BinaryIO) -> bytes:
    """BLAKE3 of a manifest file, as `write_manifest` returned it."""
    digest = blake3()
    while block := stream.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.digest()


def save_manifest(
    path: str | os.PathLike[str], header: ManifestHeader, entries: Iterable[Entry]
) -> bytes:
    """Writes a manifest file that is there whole and durable, or not at all; mode 0600.

    Returns:
        BLAKE3 of the file.

    Raises:
        DestinationError: it cannot be written.
        ManifestError: see `write_manifest`.
    """
    digests: list[bytes] = []
    ordered = in_manifest_order(entries)
    replace_durably(
        os.fsencode(path), lambda file: digests.append(write_manifest(file, header, ordered))
    )
    return digests[0]


def load_manifest(path: str | os.PathLike[str]) -> tuple[ManifestHeader, list[Entry]]:
    """Reads a whole manifest file.

    Raises:
        ManifestError: it is damaged.
        SourceRead: it cannot be read.
    """
    name = shown(os.fsencode(path))
    try:
        with open(path, "rb") as stream:
            header, entries = read_manifest(stream)
            return header, list(entries)
    except OSError as err:
        raise SourceRead(f"cannot read the manifest {name}: {err.strerror}") from err
    except ManifestError as err:
        raise ManifestError(f"the manifest {name} is damaged: {err.message}", hint=_HINT) from err


def has_digests(entries: Iterable[Entry]) -> bool:
    """True when every byte of every file lies in a chunk with a digest."""
    return all(is_proven(entry) for entry in entries if isinstance(entry, FileEntry))


def is_proven(entry: FileEntry) -> bool:
    """True when every byte of a file, and of its original, lies in a chunk with a digest."""
    return _are_proven(entry.size, entry.chunks) and (
        entry.plain is None or _are_proven(entry.plain.size, entry.plain.chunks)
    )


def _are_proven(size: int, chunks: tuple[Chunk, ...]) -> bool:
    if len(chunks) == 1:  # nearly all files have one, and a generator costs more than the answer
        return len(chunks[0].digest) == DIGEST_BYTES and chunks[0].length == size
    return all(len(chunk.digest) == DIGEST_BYTES for chunk in chunks) and size == sum(
        chunk.length for chunk in chunks
    )


class TreeCheck:
    """Checks, entry by entry and in constant memory for all but names, that entries make one tree.

    Args:
        is_encoded: whether every file, or none, must be stored under another name than its own;
            None: it is not looked at.
    """

    def __init__(self, *, is_encoded: bool | None = None) -> None:
        self._is_encoded = is_encoded
        self._last = b""
        self._directories: list[bytes] = []
        self._files: dict[RelPath, RelPath] = {}
        """Path in `data` -> path in the backup job."""
        self._others: set[RelPath] = set()

    def add(self, entry: Entry) -> None:
        """Takes the next entry.

        Raises:
            ManifestError: it is twice there, out of order, below no directory, a hard link
                to no file, or encoded where the others are not.
        """
        order = entry_order(entry)
        if order <= self._last:
            raise ManifestError(f"{shown(entry.path)} is there twice or out of order")
        self._last = order
        parent = entry.path.rpartition(b"/")[0]
        while self._directories and self._directories[-1] != parent:
            self._directories.pop()
        if parent and not self._directories:
            raise ManifestError(f"{shown(entry.path)} lies in no directory of the backup job")
        self._note(entry)

    def _note(self, entry: Entry) -> None:
        """Names on the media are unique too, and links lead where the originals do."""
        if entry.path in self._files or entry.path in self._others:
            raise ManifestError(f"{shown(entry.path)} is stored twice")
        if isinstance(entry, (FileEntry, HardlinkEntry)):
            if self._is_encoded not in (None, entry.plain is not None):
                raise ManifestError(f"{shown(entry.path)} is not encoded as the header says")
            if isinstance(entry, FileEntry):
                self._files[entry.path] = original_path(entry)
                return
            to = entry.to if entry.plain is None else entry.plain.to
            if self._files.get(entry.to) != to:
                raise ManifestError(f"{shown(entry.path)} is a hard link to no file before it")
        elif isinstance(entry, DirectoryEntry):
            self._directories.append(entry.path)
        self._others.add(entry.path)


def _blocks(
    header: ManifestHeader, entries: Iterable[Entry], keeps_identity: bool
) -> Iterator[bytes]:
    """All lines, many at a time; an entry that is refused is the last that is taken."""
    tree = TreeCheck(is_encoded=not header.encoding.is_plain)
    digest = blake3()
    lines = [line_from_header(header)]
    size_bytes = count = 0
    for entry in entries:
        tree.add(entry)
        if isinstance(entry, FileEntry):
            records.checked_chunks(entry.chunks, entry.size, entry.path)
            if entry.plain is not None:
                records.checked_chunks(entry.plain.chunks, entry.plain.size, entry.plain.path)
        line = line_from_entry(entry, keeps_identity=keeps_identity)
        lines.append(line)
        size_bytes += len(line)
        count += 1
        if size_bytes >= _BLOCK_BYTES:
            block = b"".join(lines)
            digest.update(block)
            yield block
            lines.clear()
            size_bytes = 0
    block = b"".join(lines)
    digest.update(block)
    yield block + line_from_end(count, digest.digest())


def _check_seal(stream: BinaryIO) -> int:
    """Checks the seal; returns the number of bytes before it."""
    body_bytes = stream.seek(0, os.SEEK_END) - _SEAL_BYTES
    if body_bytes <= 0:
        raise ManifestError("it is too short: it was cut off", hint=_HINT)
    stream.seek(0)
    sealed = blake3()
    left = body_bytes
    while left and (block := stream.read(min(_BLOCK_BYTES, left))):
        sealed.update(block)
        left -= len(block)
    if stream.read(_SEAL_BYTES) != _SEAL_MAGIC + sealed.digest():
        raise ManifestError("its seal is missing or wrong: it was cut off or changed", hint=_HINT)
    return body_bytes


def _check_lines(lines: Iterator[bytes]) -> tuple[int, bytes]:
    """Checks the last line against all others; returns the number of entries and the first line."""
    digest = blake3()
    first = last = next(lines, b"")
    count = 0
    for line in lines:
        digest.update(last)
        last = line
        count += 1
    stated, wanted = records.end_from_record(records.record_from_line(last))
    if count < 1 or stated != count - 1 or wanted != digest.digest():
        raise ManifestError("its lines are not those that it was made with", hint=_HINT)
    return stated, first


def _entries(stream: BinaryIO, body_bytes: int, count: int, *, is_encoded: bool) -> Iterator[Entry]:
    lines = _read_lines(stream, body_bytes)
    next(lines, b"")
    tree = TreeCheck(is_encoded=is_encoded)
    for line, _ in zip(lines, range(count), strict=False):
        entry = records.entry_from_record(records.record_from_line(line))
        tree.add(entry)
        yield entry


class _Body:
    """The part of a stream before the seal."""

    def __init__(self, stream: BinaryIO, size_bytes: int) -> None:
        self._stream = stream
        self._left = size_bytes

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def _read_lines(stream: BinaryIO, body_bytes: int) -> Iterator[bytes]:
    """Lines with their newline; bounded in length and in sum, whatever the frame claims."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    body: BinaryIO = _Body(stream, body_bytes)  # type: ignore[assignment]  # only read() is used
    rest = bytearray()
    total = 0
    with decompressor.stream_reader(body, read_across_frames=True, closefd=False) as reader:
        while block := _decompressed(reader):
            total += len(block)
            *whole, tail = block.split(b"\n")
            for part in whole:
                yield bytes(rest) + part + b"\n"
                rest.clear()
            rest += tail
            if len(rest) > MAX_LINE_BYTES or total > MAX_LINES_BYTES:
                raise ManifestError("it or a line of it is larger than any real one")
    if rest:
        raise ManifestError("its last line is cut off", hint=_HINT)


def _decompressed(reader: zstandard.ZstdDecompressionReader) -> bytes:
    try:
        return reader.read(_BLOCK_BYTES)
    except zstandard.ZstdError as err:
        raise ManifestError(f"it is not what zstd wrote: {err}", hint=_HINT) from err
