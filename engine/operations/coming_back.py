"""How much a restore brings back, told from the index or the manifest that this host has; no data is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from engine.archive.index import FILE, HARDLINK
from engine.catalog.home import Home
from engine.catalog.values import BackupJobValue
from engine.library.manifest import load_manifest
from engine.model.entries import FileEntry, HardlinkEntry
from engine.model.errors import AuxError, ManifestError
from engine.model.names import RelPath
from engine.operations.asked_paths import wanted_of
from engine.operations.indexes import open_index

COUNTED_AT_MOST = 100_000
"""Names that are looked at for a number; of a longer list the whole is told as the most."""


@dataclass(frozen=True, slots=True)
class ComingBack:
    """Files, hard links included, and their bytes."""

    files: int
    size_bytes: int
    is_exact: bool = True
    """False: it is the most that can come."""


def coming_back(home: Home, job: BackupJobValue, options: dict[str, Any]) -> ComingBack | None:
    """What comes back of a backup job; None where only a copy knows. Blocking.

    Args:
        home: whose indexes and manifests are looked at.
        job: the backup job, landing or content.
        options: of the restore: `content`, `paths` and `marked`.
    """
    if options["content"]:
        return _of_index(home, job, options)
    whole, wanted = ComingBack(job.files, job.size_bytes), wanted_of(options)
    if wanted is None:
        return whole
    if job.files > COUNTED_AT_MOST:
        return _at_most(whole)
    try:
        entries = load_manifest(home.manifest(job.id))[1]
    except (OSError, AuxError):  # a restore reads that of the copy
        return _at_most(whole)
    return _sum(
        entry.size if isinstance(entry, FileEntry) else 0
        for entry in entries
        if isinstance(entry, FileEntry | HardlinkEntry) and wanted(entry.path)
    )


def _of_index(home: Home, job: BackupJobValue, options: dict[str, Any]) -> ComingBack | None:
    index = open_index(home, job.id)
    if index is None:  # a restore fetches it from a copy
        return None
    try:
        whole, wanted = ComingBack(index.end.files, index.end.size_bytes), wanted_of(options)
        if wanted is None:
            return whole
        if index.end.entries > COUNTED_AT_MOST:
            return _at_most(whole)
        return _sum(
            entry.size
            for entry in index.entries()
            if entry.kind in (FILE, HARDLINK) and wanted(RelPath(entry.path))
        )
    except ManifestError:  # a restore fetches a whole one
        return None
    finally:
        index.close()


def _at_most(whole: ComingBack) -> ComingBack:
    return ComingBack(whole.files, whole.size_bytes, is_exact=False)


def _sum(sizes: Iterable[int]) -> ComingBack:
    every = list(sizes)
    return ComingBack(len(every), sum(every))
