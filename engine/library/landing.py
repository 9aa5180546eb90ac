"""Landing directories: where other programs put their backups, and where those are read.

Nothing in one is ever moved, written or deleted here. What is missing is offline, not deleted.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.library.beneath import names_in
from engine.library.blame import on_source
from engine.library.landing_reader import LandingReader, open_landing
from engine.library.landing_walk import CANNOT_BE_COPIED, Walk, fingerprint, walk_entry
from engine.model.entries import Entry, FileEntry, HardlinkEntry, chunk_bytes_for
from engine.model.errors import LibraryOffline, SourceError, UnsafeName
from engine.model.names import shown

_NS_PER_S = 1_000_000_000
_LATEST_NS = 253_370_764_800 * _NS_PER_S  # the year 9999

__all__ = [
    "CANNOT_BE_COPIED",
    "Candidate",
    "LandingReader",
    "LandingScan",
    "SeenEntry",
    "fingerprint",
    "look_at_landing",
    "observe",
    "settled",
    "walk_entry",
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name in a landing directory that matches the pattern of its subclient."""

    name: bytes
    left_because: str = ""
    """Why it cannot be adopted; empty when it can be, once it has settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEntry:
    """An entry that could be walked, whether or not it has settled."""

    name: bytes
    fingerprint: str
    newest_change_ns: int
    """Of contents and attributes of anything in it."""
    newest_mtime_ns: int
    """Of its files, or of itself when it has none; held within what a date can be."""
    oldest_mtime_ns: int
    size_bytes: int
    files: int
    chunks: int
    entries: list[Entry]
    """In the order of a manifest, files with identities and without chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingScan:
    """What lies in a landing directory."""

    identity: dict[str, object]
    """Of the directory, to be given to the next look."""
    entries: list[SeenEntry] = field(default_factory=list)
    left: list[tuple[bytes, str]] = field(default_factory=list)
    """Names, or paths within an entry, that cannot be adopted, and why."""


def observe(landing_fd: int, pattern: str) -> list[Candidate]:
    """Names in a landing directory that match, sorted; looks at each, opens none.

    Args:
        landing_fd: of the landing directory.
        pattern: as of a shell; a hidden name must be asked for by a leading dot.

    Raises:
        SourceRead: it cannot be listed.
    """
    with on_source("list", "the landing directory"):
        return [
            Candidate(name, _left_because(landing_fd, name))
            for name in names_in(landing_fd)
            if _matches(name, pattern)
        ]


def look_at_landing(
    landing: bytes, pattern: str, *, identity: Mapping[str, object], expects_entries: bool
) -> LandingScan:
    """Looks at all that matches in a landing directory.

    An entry that cannot be walked is left with the reason; the others go on.

    Args:
        landing: path of the directory.
        pattern: see `observe`.
        identity: of the directory when it was last looked at; empty: any is right.
        expects_entries: whether backup jobs lie there, so that an empty one must be a mistake.

    Raises:
        LibraryOffline: it is missing, another file system than before, or suddenly empty.
        SourceRead: it cannot be listed.
    """
    landing_fd = open_landing(landing)
    try:
        with on_source("look at", landing):
            new = _identity(landing_fd)
            is_empty = not os.listdir(landing_fd)
        offline = _why_offline(identity, new, is_suddenly_empty=expects_entries and is_empty)
        if offline:
            raise LibraryOffline(
                f"landing directory {shown(landing)} is offline: {offline}",
                hint="mount it; if this is as it should be, scan again and accept it",
            )
        scan = LandingScan(identity=new)
        for candidate in observe(landing_fd, pattern):
            _look_at(landing_fd, candidate, scan)
        return scan
    finally:
        os.close(landing_fd)


def settled(
    *, now: datetime, newest_change_ns: int, settle_s: float, first_seen_at: datetime
) -> str:
    """Why an entry must not be adopted yet; empty when it was left alone for long enough.

    Args:
        newest_change_ns: see `SeenEntry`.
        settle_s: how long it must be untouched, in seconds.
        first_seen_at: when it was first seen exactly so, by its fingerprint. It decides when the
            newest change lies in the future, so that a wrong clock blocks nothing for ever.
    """
    change_s = newest_change_ns / _NS_PER_S
    is_in_future = change_s > now.timestamp()
    since_s = first_seen_at.timestamp() if is_in_future else change_s
    untouched_s = max(0.0, now.timestamp() - since_s)
    if untouched_s >= settle_s:
        return ""
    wait = f"unchanged for {untouched_s:.0f} s, it settles after {settle_s:.0f} s"
    return f"its times lie in the future; seen {wait}" if is_in_future else wait


def _matches(name: bytes, pattern: str) -> bool:
    if name.startswith(b".") and not pattern.startswith("."):
        return False
    return fnmatch.fnmatchcase(name.decode("utf-8", "surrogateescape"), pattern)


def _left_because(landing_fd: int, name: bytes) -> str:
    try:
        mode = os.stat(name, dir_fd=landing_fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return "it went away while it was looked at"
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    if stat.S_ISLNK(mode):
        return "it is a symbolic link, and those are not followed"
    return "it is neither a file nor a directory"


def _look_at(landing_fd: int, candidate: Candidate, scan: LandingScan) -> None:
    if candidate.left_because:
        scan.left.append((candidate.name, candidate.left_because))
        return
    try:
        walk = walk_entry(landing_fd, candidate.name)
    except (SourceError, UnsafeName) as err:
        scan.left.append((candidate.name, err.message))
        return
    scan.left.extend((left.path, left.reason) for left in walk.left)
    if walk.entries:
        scan.entries.append(_seen(candidate.name, walk))


def _seen(name: bytes, walk: Walk) -> SeenEntry:
    files = [entry for entry in walk.entries if isinstance(entry, FileEntry)]
    own = [entry.meta for entry in walk.entries[:1] if not isinstance(entry, HardlinkEntry)]
    metas = [file.meta for file in files] or own
    times = [min(max(meta.mtime_ns, 0), _LATEST_NS) for meta in metas]
    return SeenEntry(
        name=name,
        fingerprint=fingerprint(walk.entries),
        newest_change_ns=walk.newest_change_ns,
        newest_mtime_ns=max(times),
        oldest_mtime_ns=min(times),
        size_bytes=walk.size_bytes,
        files=walk.files,
        chunks=sum(-(-file.size // chunk_bytes_for(file.size)) for file in files),
        entries=walk.entries,
    )


def _identity(landing_fd: int) -> dict[str, object]:
    found = os.fstat(landing_fd)
    fsid = os.statvfs(landing_fd).f_fsid
    return {"device": found.st_dev, "fsid": f"{fsid:x}" if fsid else "", "inode": found.st_ino}


def _why_offline(
    old: Mapping[str, object], new: Mapping[str, object], *, is_suddenly_empty: bool
) -> str:
    """Why a directory must be taken for an unmounted one; empty when it is the same.

    A device number may change with a restart, and some file systems have no id of their own: one
    of them that agrees is enough.
    """
    is_same = old.get("device") == new["device"] or (
        bool(new["fsid"]) and old.get("fsid") == new["fsid"]
    )
    if old and not is_same:
        return "another file system than before is there"
    return "it is suddenly empty" if is_suddenly_empty else ""
