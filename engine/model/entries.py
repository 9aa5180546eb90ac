"""What a backup job consists of: entries, chunks, and the identity of a file on its source."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from engine.model.encoding import Encoding, encoding_of
from engine.model.names import RelPath

MIN_CHUNK_BYTES = 32 * 1024 * 1024
MAX_CHUNK_BYTES = 256 * 1024 * 1024
DIGEST_BYTES = 32  # BLAKE3


def chunk_bytes_for(size_bytes: int) -> int:
    """Chunk size for a file: a power of two, 32 to 256 MiB, about 2,048 chunks at most below 512 GiB.

    It depends on the size alone, so that every copy of a file has the same chunks.
    """
    chunk = MIN_CHUNK_BYTES
    while chunk < MAX_CHUNK_BYTES and size_bytes > chunk * 2048:
        chunk *= 2
    return chunk


class Chunk(NamedTuple):
    """A byte range of one file: the unit of transfer, parallelism, restart and verification."""

    offset: int
    length: int
    digest: bytes
    """BLAKE3 of the range; empty while it is not known."""


class PieceEnd(NamedTuple):
    """Where the encoding of one chunk of the original ends in the encoded file."""

    at: int
    """Bytes of the encoded file up to there."""
    digest: bytes
    """BLAKE3 of the chunk of the original."""


class Identity(NamedTuple):
    """What tells that a file is still the one that was looked at. Times in nanoseconds."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What is kept of a file besides its bytes."""

    mode: int
    """Permission bits, 0 to 0o7777."""
    mtime_ns: int
    uid: int
    gid: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFile:
    """The original of an encoded file: what a restore gives back."""

    path: RelPath
    """In the same directory as the encoded file."""
    size: int
    sparse: bool = False
    chunks: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainLink:
    """The original names of a hard link to an encoded file."""

    path: RelPath
    to: RelPath


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A regular file, as it is stored: path, size and chunks are those of the file on the media."""

    path: RelPath
    size: int
    meta: Metadata
    sparse: bool = False
    chunks: tuple[Chunk, ...] = ()
    """Empty for an empty file; in order and without gaps otherwise."""
    identity: Identity | None = None
    """On the source, when it was adopted; None for what is read from a library."""
    plain: PlainFile | None = None
    """The original, where the copy is encoded; None when the file is stored as it is."""
    stored: FileEntry | None = field(default=None, compare=False, repr=False)
    """Of an original that is decoded while it is read: the file that it is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """A directory."""

    path: RelPath
    meta: Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class SymlinkEntry:
    """A symbolic link: recorded and recreated, never followed."""

    path: RelPath
    target: bytes
    meta: Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class HardlinkEntry:
    """A further name of a file of the same backup job."""

    path: RelPath
    to: RelPath
    """The first name of that file in the manifest."""
    plain: PlainLink | None = None
    """As in `FileEntry`."""


Entry = FileEntry | DirectoryEntry | SymlinkEntry | HardlinkEntry


def with_chunks(
    entry: FileEntry, chunks: tuple[Chunk, ...], identity: Identity | None
) -> FileEntry:
    """A file with other chunks and identity; `replace` takes half as long again, per file."""
    return FileEntry(
        path=entry.path,
        size=entry.size,
        meta=entry.meta,
        sparse=entry.sparse,
        chunks=chunks,
        identity=identity,
        plain=entry.plain,
        stored=entry.stored,
    )


def original(entry: Entry) -> Entry:
    """An entry as it is in the backup job: of an encoded file the names, size and chunks before."""
    match entry:
        case FileEntry(plain=PlainFile() as plain):
            return replace(
                entry,
                path=plain.path,
                size=plain.size,
                sparse=plain.sparse,
                chunks=plain.chunks,
                plain=None,
                stored=entry,
            )
        case HardlinkEntry(plain=PlainLink() as link):
            return HardlinkEntry(path=link.path, to=link.to)
        case _:
            return entry


def original_path(entry: Entry) -> RelPath:
    """The path of an entry in the backup job, whatever it is called on the media."""
    plain = entry.plain if isinstance(entry, (FileEntry, HardlinkEntry)) else None
    return entry.path if plain is None else plain.path


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestHeader:
    """First line of a manifest: whose backup job this is, and how it is encoded here."""

    backup_job_id: int
    commcell_id: str
    commcell: str
    policy: str
    client: str
    subclient: str
    level: str
    kind: str
    """`landing` or `content`."""
    started_at: str
    """ISO 8601 with offset."""
    completed_at: str
    adopted_at: str
    name: bytes = b""
    """Name of the adopted entry below the landing directory."""
    cycle: int = 0
    """Number of the full cycle of the subclient that this backup job belongs to."""
    compression: str = "none"
    encrypt_to: tuple[str, ...] = field(default=())

    @property
    def encoding(self) -> Encoding:
        """How the files are encoded here."""
        return encoding_of(self.compression, self.encrypt_to)


def encoded_header(header: ManifestHeader, encoding: Encoding) -> ManifestHeader:
    """The header of a copy with another encoding."""
    return replace(header, compression=encoding.compression, encrypt_to=encoding.encrypt_to)
