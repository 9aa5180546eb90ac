"""What the chunks of a repaired job copy may come from: the job copies of its backup job, opened and weighed."""

from __future__ import annotations

from dataclasses import dataclass

import aiofiles.os
from blake3 import blake3

from engine.library.interface import JobReader, Library
from engine.model.encoding import Encoding
from engine.model.entries import Entry, FileEntry
from engine.model.errors import (
    AuxError,
    LibraryOffline,
    ManifestError,
    NotFoundError,
    SourceCorrupt,
    SourceError,
)
from engine.model.names import shown
from engine.model.states import CopyKind, JobCopyState, Severity
from engine.operations.context import JobContext
from engine.operations.jobcopies import Located
from engine.operations.sources import Source


@dataclass(slots=True)
class Candidate:
    """A job copy that chunks may come from, opened."""

    name: str
    reader: JobReader
    is_trusted: bool
    """Its manifest is the one that the ledger knows."""
    source: Source
    """Opens it again."""

    @property
    def encoding(self) -> Encoding:
        """Of its files."""
        return self.reader.header.encoding


@dataclass(frozen=True, slots=True)
class Case:
    """One job copy to repair, and the others of the same backup job, best first."""

    bad: Located
    others: tuple[Located, ...]


async def opened_candidate(
    context: JobContext, one: Located, libraries: dict[int, Library]
) -> Candidate | None:
    """Opens a job copy; None when nothing can be read from it."""
    source = one.opened_from(libraries)
    try:
        reader: JobReader = await aiofiles.os.wrap(source.open)()
    except (SourceError, ManifestError, LibraryOffline, NotFoundError) as err:
        await _tell_nothing_is_taken(context, one, err)
        return None
    if not reader.has_digests:
        reader.close()
        return None
    try:
        is_trusted = await aiofiles.os.wrap(_has_known_manifest)(one, source)
    except (SourceError, ManifestError, LibraryOffline, NotFoundError) as err:
        reader.close()
        await _tell_nothing_is_taken(context, one, err)
        return None
    return Candidate(one.copy.name, reader, is_trusted, source)


def _has_known_manifest(one: Located, source: Source) -> bool:
    """Whether the manifest is the one that the ledger knows. Blocking."""
    if source.library is None or one.is_landing:
        return True
    digest = source.library.manifest_digest(one.place, one.line.backup_job_id)
    return one.line.manifest_digest in (None, digest)


async def _tell_nothing_is_taken(context: JobContext, one: Located, err: AuxError) -> None:
    what = f"nothing is taken from copy {one.copy.name}: {err.message}"
    await context.event("repair.source", what, Severity.WARNING)


def key_of(bad: Located, encoding: Encoding, entries: list[Entry]) -> str:
    """Binds the journal to the files that it is made of: encoded ones differ from copy to copy."""
    if encoding.is_plain:
        return bad.source.key
    digest = blake3()
    for entry in entries:
        for chunk in entry.chunks if isinstance(entry, FileEntry) else ():
            digest.update(chunk.digest)
    return f"{bad.source.key}:of:{digest.hexdigest(length=16)}"


def best_first(one: Located) -> tuple[bool, bool, int, int]:
    """Good ones first, then as a restore would choose."""
    is_bad = one.line.state is not JobCopyState.AVAILABLE
    return is_bad, one.copy.kind != CopyKind.PRIMARY, one.copy.precedence, one.copy.id


def entries_of(candidates: list[Candidate], bad: Located) -> list[Entry]:
    """What the backup job consists of, by the first manifest that can be trusted.

    Raises:
        SourceCorrupt: there is none.
    """
    for candidate in sorted(candidates, key=lambda one: not one.is_trusted):
        if not candidate.is_trusted:
            break
        return list(candidate.reader.entries())
    raise SourceCorrupt(
        f"no copy of backup job {bad.line.backup_job_id} has a manifest that can be trusted",
        hint=f"look at copy {shown(bad.copy.name)} and the others before you do anything",
    )
