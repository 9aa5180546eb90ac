"""What lies in a directory of a backup job, or of a subclient as of a time: for a screen to walk.

Reads an index, or the manifest of a landing job; no data and no service are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from sqlmodel import Session

from engine.archive.index import DIRECTORY, FILE, SYMLINK, IndexEntry
from engine.catalog import config, ledger
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.catalog.values import BackupJobValue
from engine.library.manifest import load_manifest
from engine.model.entries import DirectoryEntry, Entry, FileEntry, HardlinkEntry, SymlinkEntry
from engine.model.errors import AuxError, NotFoundError, UsageError
from engine.model.states import OVER, SubclientKind
from engine.operations.as_of import backup_as_of
from engine.operations.indexes import open_index

_KEPT_TREES = 2  # manifests of landing jobs that were read whole


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseEntry:
    """A name in a directory of a backup."""

    name: bytes
    """Exact bytes: make it inert before it is shown."""
    kind: str
    """file, directory, symlink, hardlink, fifo or device."""
    size: int
    """Bytes; 0 for what has none."""
    mtime: datetime | None
    """Aware UTC; None where it is not recorded."""
    job_id: int
    """The backup job that holds its bytes."""
    unsure: bool = False
    """It changed while it was backed up, or could not be read then and is as it was before."""


def browse(
    home: Home,
    *,
    subclient: str | None = None,
    as_of: datetime | None = None,
    job_id: int | None = None,
    path: bytes = b"",
) -> list[BrowseEntry]:
    """What lies in a directory: directories first, then by name. Blocking; call it in a thread.

    Args:
        home: whose.
        subclient: `client/subclient` that auxtui backs up, as of a time.
        as_of: aware; None: its newest backup.
        job_id: instead of a subclient: this backup job, landing or backed up.
        path: the directory, relative (`srv/www`); empty for the top.

    Raises:
        UsageError: neither or both of `subclient` and `job_id`.
        NotFoundError: no such subclient, backup job or directory, or none that can be browsed.
    """
    catalog = open_catalog(home)
    try:
        with catalog.read() as session:
            job = _job(session, subclient, as_of, job_id)
            kinds = {value.id: value.kind for value in config.subclients(session)}
            states = {line.state for line in ledger.copies_of(session, job.id)}
    finally:
        catalog.close()
    if states and states <= OVER:
        raise NotFoundError(
            f"backup job {job.id} is aged from every copy: nothing of it is kept",
            hint="browse a later one",
        )
    if kinds[job.subclient_id] == SubclientKind.LANDING:
        return _landing(home, job, path)
    index = open_index(home, job.id)
    if index is None:
        raise NotFoundError(
            f"the index of backup job {job.id} is not on this host",
            hint="a restore fetches it from a copy; so does the next backup of its subclient",
        )
    try:
        found = index.children(path)
        if not found and path:
            entry = index.entry(path)
            if entry is None or entry.kind != DIRECTORY:
                raise _no_directory(job.id)
    finally:
        index.close()
    return _sorted([_of_index(entry) for entry in found])


def _job(
    session: Session, subclient: str | None, as_of: datetime | None, job_id: int | None
) -> BackupJobValue:
    if (subclient is None) == (job_id is None):
        raise UsageError("a backup job or a subclient is browsed, and not both")
    if job_id is not None:
        return ledger.backup_job(session, job_id)
    return backup_as_of(session, subclient or "", as_of)


def _of_index(entry: IndexEntry) -> BrowseEntry:
    return BrowseEntry(
        name=entry.path.rpartition(b"/")[2],
        kind=entry.kind,
        size=entry.size if entry.kind in (FILE, "hardlink") else 0,
        mtime=_time(entry.mtime_ns),
        job_id=entry.job,
        unsure=entry.unsure,
    )


def _landing(home: Home, job: BackupJobValue, path: bytes) -> list[BrowseEntry]:
    manifest = home.manifest(job.id)
    try:
        tree = _tree(manifest, manifest.stat().st_mtime_ns)
    except (OSError, AuxError) as err:
        raise NotFoundError(
            f"the manifest of backup job {job.id} cannot be read here: {err}",
            hint="restore it, or rebuild the catalog from a library",
        ) from err
    if path and path not in tree:
        raise _no_directory(job.id)
    return _sorted([_of_manifest(entry, job.id) for entry in tree.get(path, ())])


@lru_cache(maxsize=_KEPT_TREES)
def _tree(manifest: Path, _changed_ns: int) -> Mapping[bytes, Sequence[Entry]]:
    """The entries of a manifest by directory."""
    tree: dict[bytes, list[Entry]] = defaultdict(list)
    for entry in load_manifest(manifest)[1]:
        tree[entry.path.rpartition(b"/")[0]].append(entry)
        if isinstance(entry, DirectoryEntry):
            tree.setdefault(entry.path, [])
    return dict(tree)


def _of_manifest(entry: Entry, job_id: int) -> BrowseEntry:
    name = entry.path.rpartition(b"/")[2]
    match entry:
        case FileEntry():
            kind, size, mtime = FILE, entry.size, _time(entry.meta.mtime_ns)
        case DirectoryEntry():
            kind, size, mtime = DIRECTORY, 0, _time(entry.meta.mtime_ns)
        case SymlinkEntry():
            kind, size, mtime = SYMLINK, 0, _time(entry.meta.mtime_ns)
        case HardlinkEntry():
            kind, size, mtime = "hardlink", 0, None
    return BrowseEntry(name=name, kind=kind, size=size, mtime=mtime, job_id=job_id)


def _time(ns: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    except (OverflowError, ValueError, OSError):  # a time beyond the year 9999
        return None


def _sorted(entries: list[BrowseEntry]) -> list[BrowseEntry]:
    return sorted(entries, key=lambda one: (one.kind != DIRECTORY, one.name))


def _no_directory(job_id: int) -> NotFoundError:
    return NotFoundError(f"there is no such directory in backup job {job_id}")
