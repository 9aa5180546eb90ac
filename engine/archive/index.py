"""The index of a backup: every path as it was then, and where in which backup job its bytes are.

One zstd skippable frame, so that `cat data/* | zstd -d` passes over it. Inside: zstd frames of JSON
lines, in the order of the paths, directory by directory; the frames of the archive; an end line
that says where each directory begins; a seal. docs/format.md describes every member.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from operator import itemgetter
from typing import Any, NamedTuple

from engine.archive.tar import Segment
from engine.model.errors import ManifestError, UnsafeName
from engine.model.names import RelPath, rel_path

FORMAT = 1
SKIPPABLE_MAGIC = 0x184D2A5E
SEAL_BYTES = 8 + 16 + 32
"""Skippable header, offset and length of the end line's frame, BLAKE3 of that frame."""
HEAD_BYTES = 8

FILE, DIRECTORY, SYMLINK, HARDLINK = "file", "directory", "symlink", "hardlink"
FIFO, DEVICE, DELETED = "fifo", "device", "deleted"
KINDS = frozenset({FILE, DIRECTORY, SYMLINK, HARDLINK, FIFO, DEVICE, DELETED})

_HINT = "another copy of the backup job has the same index"
_PLAIN_FILE = itemgetter(
    "path", "mtime_ns", "ctime_ns", "mode", "uid", "gid", "size", "inode", "job", "at"
)
_PLAIN_MEMBERS = 11  # these and the type
_WHOLE = {int}


class IndexEntry(NamedTuple):
    """A path of a backup as it was at the time of that backup."""

    path: bytes
    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    size: int = 0
    inode: int = 0
    job: int = 0
    """The backup job whose archive holds it."""
    at: int = 0
    """Of a file: where its data begins in the tar stream of that job, bytes."""
    to: bytes = b""
    """Target of a symbolic link; first name of a hard link."""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    segments: tuple[Segment, ...] | None = None
    """Of a sparse file: its runs of data."""
    device: tuple[int, int] = (0, 0)
    unsure: bool = False
    """It changed while it was read, or could not be read and is as an earlier backup had it."""

    @property
    def directory(self) -> bytes:
        """The directory that it lies in."""
        return self.path.rpartition(b"/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHeader:
    """Whose index it is, and what was to be backed up."""

    backup_job_id: int
    commcell_id: str
    client: str
    subclient: str
    level: str
    cycle: int
    based_on: int
    """The backup job that an incremental goes on from; 0: a full."""
    started_at: str
    content: tuple[str, ...]
    exclude: tuple[str, ...]
    one_file_system: bool
    frame_bytes: int
    """Of the tar stream in each zstd frame of the archive."""


class Part(NamedTuple):
    """One zstd frame of entries."""

    directory: bytes
    """Of its first entry."""
    offset: int
    length: int


class ArchiveFrame(NamedTuple):
    """One zstd frame of the archive; the n-th holds the n-th `frame_bytes` of the tar stream."""

    offset: int
    """In all volumes together, bytes."""
    length: int
    digest: bytes
    """BLAKE3 of the frame as it is on the media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEnd:
    """Totals, and where everything in the index is."""

    entries: int = 0
    files: int = 0
    """Names of files, hard links included, with what earlier jobs hold."""
    size_bytes: int = 0
    """Of these files."""
    jobs: tuple[int, ...] = ()
    """Backup jobs that hold bytes of this state."""
    archived: int = 0
    """Names of files that are in the archive of this backup job."""
    tar_bytes: int = 0
    volumes: int = 0
    volume_bytes: int = 0
    archive_bytes: int = 0
    """Of all volumes together."""
    parts: tuple[Part, ...] = field(default=(), repr=False)
    frames_at: tuple[int, int] = (0, 0)
    """Offset and length of the list of the archive's frames."""


def order_of(directory: bytes) -> tuple[bytes, ...]:
    """Directories sort with what is below them right behind them."""
    return tuple(directory.split(b"/")) if directory else ()


def line_of(entry: IndexEntry) -> str:
    """An entry as a line of JSON."""
    path = member_text("path", entry.path)
    kind = entry.kind
    if kind == DELETED:
        return f'{{"type":"deleted",{path}}}\n'
    text = (
        f'{{"type":"{kind}",{path},"mode":{entry.mode},"uid":{entry.uid},"gid":{entry.gid},'
        f'"mtime_ns":{entry.mtime_ns},"ctime_ns":{entry.ctime_ns},"inode":{entry.inode},'
        f'"job":{entry.job}'
    )
    if kind in (FILE, HARDLINK):
        text += f',"size":{entry.size}'
    if kind == FILE:
        text += f',"at":{entry.at}'
    elif entry.to:
        text += "," + member_text("to" if kind == HARDLINK else "target", entry.to)
    if entry.xattrs:
        pairs = [[_encoded(name), _encoded(value)] for name, value in entry.xattrs]
        text += f',"xattrs":{json.dumps(pairs, separators=(",", ":"))}'
    if entry.segments is not None:
        text += f',"segments":{json.dumps(entry.segments, separators=(",", ":"))}'
    if kind == DEVICE:
        is_block = "true" if entry.size else "false"
        text += f',"device":[{entry.device[0]},{entry.device[1]}],"block":{is_block}'
    if entry.unsure:
        text += ',"unsure":true'
    return text + "}\n"


def entry_of(record: dict[str, Any]) -> IndexEntry:
    """The inverse of `line_of`, checked: an index is a stranger's until proven.

    Raises:
        ManifestError: it is no entry.
        UnsafeName: a path that must not be followed.
    """
    try:
        kind = record["type"]
        if kind == FILE and len(record) == _PLAIN_MEMBERS and "path" in record:
            return _plain_file(record)
        if kind not in KINDS:
            raise ManifestError(f"an index has an unknown kind of entry, {kind!r}", hint=_HINT)
        path = rel_path(member_bytes(record, "path"))
        if kind == DELETED:
            return IndexEntry(path, kind)
        to = b""
        if kind == HARDLINK:
            to = rel_path(member_bytes(record, "to"))
        elif kind == SYMLINK:
            to = member_bytes(record, "target")
        device, pairs = record.get("device"), record.get("xattrs")
        segments = record.get("segments")
        return IndexEntry(
            path,
            kind,
            _count(record["mode"]) & 0o7777,
            _count(record["uid"]),
            _count(record["gid"]),
            _whole(record["mtime_ns"]),
            _whole(record["ctime_ns"]),
            int(bool(record.get("block"))) if kind == DEVICE else _count(record.get("size", 0)),
            _count(record["inode"]),
            _count(record["job"]),
            _count(record.get("at", 0)),
            to,
            ()
            if pairs is None
            else tuple((_decoded(name), _decoded(value)) for name, value in pairs),
            None if segments is None else _segments(segments, _count(record["size"])),
            (0, 0) if device is None else _numbers(device),
            bool(record.get("unsure", False)),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as err:
        raise ManifestError(f"an entry of an index cannot be read: {err!r}", hint=_HINT) from err


def _plain_file(record: dict[str, Any]) -> IndexEntry:
    """A file with the members that every file has and no other: most of any index."""
    text, mtime_ns, ctime_ns, *counts = _PLAIN_FILE(record)
    if type(text) is not str or type(mtime_ns) is not int or type(ctime_ns) is not int:
        raise ValueError("a path that is no text, or a time that is no whole number")
    if set(map(type, counts)) != _WHOLE or min(counts) < 0:  # not a bool either
        raise ValueError(f"one of {counts} is not a whole number from 0 on")
    mode, uid, gid, size, inode, job, at = counts
    path = rel_path(text.encode("utf-8"))
    return IndexEntry(path, FILE, mode & 0o7777, uid, gid, mtime_ns, ctime_ns, size, inode, job, at)


def ancestors(path: bytes) -> Iterator[bytes]:
    """The directories above a path, the nearest first, without the root."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def relative(path: str | bytes) -> bytes:
    """An absolute path as it stands in an archive; empty for the root."""
    return os.path.normpath(os.fsencode(path)).lstrip(b"/")


def checked(path: bytes) -> RelPath | None:
    """The path if it can be restored; None for one that is too long or too deep."""
    try:
        return rel_path(path)
    except UnsafeName:
        return None


def _segments(rows: list[Any], size: int) -> tuple[Segment, ...]:
    found: list[Segment] = []
    end = 0
    for offset, length in rows:
        if _count(offset) < end or _count(length) < 0 or offset + length > size:
            raise ValueError("runs of data that overlap or pass the end")
        end = offset + length
        found.append((offset, length))
    return tuple(found)


def _numbers(device: list[Any]) -> tuple[int, int]:
    major, minor = device
    return _count(major), _count(minor)


def _whole(value: object) -> int:
    if type(value) is not int:  # not a bool either
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a whole number from 0 on")
    return value


def member_text(key: str, value: bytes) -> str:
    try:
        return f'"{key}":{quoted(value.decode("utf-8"))}'
    except UnicodeDecodeError:
        return f'"{key}_base64":"{_encoded(value)}"'


def member_bytes(record: dict[str, Any], key: str) -> bytes:
    text, encoded = record.get(key), record.get(key + "_base64")
    if isinstance(text, str) and encoded is None:
        return text.encode("utf-8")
    if isinstance(encoded, str) and text is None:
        return _decoded(encoded)
    raise ValueError(f"needs exactly one of {key} and {key}_base64")


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
