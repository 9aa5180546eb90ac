"""Landing directories: where other programs put their backups, and where those are read.

Nothing in one is ever moved, written or deleted here. What is missing is offline, not deleted.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from engine.library.beneath import Parents, names_in, open_for_reading, open_root
from engine.library.blame import on_source
from engine.library.file_handles import FileReader
from engine.library.landing_walk import Left, Walk, fingerprint, walk_entry
from engine.model.entries import Entry, FileEntry, Identity, ManifestHeader
from engine.model.errors import LibraryOffline, SourceChanged
from engine.model.names import shown

__all__ = [
    "Candidate",
    "LandingIdentity",
    "LandingReader",
    "Left",
    "Walk",
    "fingerprint",
    "is_settled",
    "landing_identity",
    "observe",
    "open_landing",
    "walk_entry",
    "why_offline",
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name in a landing directory that matches the pattern of its subclient."""

    name: bytes
    left_because: str = ""
    """Why it cannot be adopted; empty when it can be, once it has settled."""


def open_landing(path: str | bytes) -> int:
    """Opens a landing directory; the caller closes the descriptor.

    Raises:
        LibraryOffline: it is not there, or cannot be opened.
    """
    try:
        return open_root(os.fsencode(path))
    except OSError as err:
        why = (err.strerror or str(err)).lower()
        raise LibraryOffline(
            f"landing directory {shown(path)} is offline: {why}",
            hint="mount it, or correct `landing` in the site file",
        ) from err


def observe(landing_fd: int, pattern: str) -> list[Candidate]:
    """Names in a landing directory that match, sorted; looks at each, opens none.

    Args:
        landing_fd: see `open_landing`.
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


def is_settled(
    now: datetime, newest_change: datetime, settle_s: float, first_seen_at: datetime | None
) -> bool:
    """Whether an entry was left alone for long enough to be adopted.

    Args:
        newest_change: see `Walk.newest_change_at`.
        settle_s: how long it must be untouched, in seconds.
        first_seen_at: when it was first seen exactly so, by its fingerprint; None: just now. It
            decides when the newest change lies in the future, so that a wrong clock of the
            program that wrote it blocks nothing for ever.
    """
    untouched_since = newest_change if newest_change <= now else first_seen_at
    return untouched_since is not None and (now - untouched_since).total_seconds() >= settle_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingIdentity:
    """What a landing directory was when it was last looked at."""

    device: int
    fsid: int
    """Of the file system; 0 where it has none."""
    inode: int
    is_empty: bool

    def to_json(self) -> dict[str, object]:
        """For the catalog."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> LandingIdentity | None:
        """From the catalog; None when it was never looked at."""
        match record:
            case {"device": int(d), "fsid": int(f), "inode": int(i), "is_empty": bool(e)}:
                return cls(device=d, fsid=f, inode=i, is_empty=e)
        return None


def landing_identity(landing_fd: int) -> LandingIdentity:
    """What a landing directory is now.

    Raises:
        SourceRead: it cannot be looked at.
    """
    with on_source("look at", "the landing directory"):
        found = os.fstat(landing_fd)
        return LandingIdentity(
            device=found.st_dev,
            fsid=os.statvfs(landing_fd).f_fsid,
            inode=found.st_ino,
            is_empty=not os.listdir(landing_fd),
        )


def why_offline(old: LandingIdentity | None, new: LandingIdentity, *, has_backup_jobs: bool) -> str:
    """Why a landing directory must be taken for an unmounted one; empty when it is the same.

    A device number changes with a restart, a file system id where there is none: one of them
    that agrees is enough.

    Args:
        has_backup_jobs: whether backup jobs were adopted there that are not aged off.
    """
    if old is None:
        return ""
    if old.device != new.device and (not old.fsid or old.fsid != new.fsid):
        return "another file system than before is there"
    if has_backup_jobs and new.is_empty:
        return "it is suddenly empty"
    return ""


class LandingReader:
    """A backup job where it lies; `JobReader` of landing directories. Thread-safe.

    Args:
        landing: the landing directory.
        header: of its manifest.
        entries: of its manifest, with the identities of when it was adopted.
        has_digests: whether the entries have the digests of a first copy.

    Raises:
        LibraryOffline: the landing directory is not there.
    """

    def __init__(
        self,
        landing: str | bytes,
        header: ManifestHeader,
        entries: Iterable[Entry],
        *,
        has_digests: bool,
    ) -> None:
        self._header = header
        self._entries = tuple(entries)
        self._has_digests = has_digests
        self._fd = open_landing(landing)

    @property
    def header(self) -> ManifestHeader:
        """See `JobReader`."""
        return self._header

    @property
    def has_digests(self) -> bool:
        """See `JobReader`."""
        return self._has_digests

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`."""
        return iter(self._entries)

    def open_file(self, entry: FileEntry) -> FileReader:
        """See `JobReader`.

        Before the first copy nothing but the identity tells that the content is what was adopted,
        so all of it must agree; afterwards the digests do, and a change of mode or a new hard
        link (which change ctime) must not make a backup job bad.
        """
        with on_source("open", entry.path), Parents(self._fd) as parents:
            parent, name = parents.of(entry.path)
            handle = FileReader(open_for_reading(name, parent=parent), entry.path)
        changed = _what_changed(entry, handle.identity, is_strict=not self._has_digests)
        if changed:
            handle.close()
            raise SourceChanged(
                f"{shown(entry.path)} changed after it was adopted: {changed}",
                hint="the next scan says whether it is a new backup job",
            )
        return handle

    def close(self) -> None:
        """Closes the landing directory; files that are open stay open."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


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


def _what_changed(entry: FileEntry, found: Identity, *, is_strict: bool) -> str:
    adopted = entry.identity
    if found.size != entry.size:
        return f"it has {found.size} bytes, {entry.size} were adopted"
    if found.mtime_ns != (adopted.mtime_ns if adopted else entry.meta.mtime_ns):
        return "it was modified"
    if not is_strict or adopted is None:
        return ""
    if found.inode != adopted.inode:
        return "another file has its name"
    return "" if found.ctime_ns == adopted.ctime_ns else "its attributes were changed"
