"""Opens a backup job where a copy reads it from: a landing directory or a library."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.catalog.home import Home
from engine.catalog.values import BackupJobValue, SubclientValue
from engine.library.interface import JobReader, Library, Place
from engine.library.landing import LandingReader
from engine.library.manifest import has_digests, load_manifest, save_manifest
from engine.model.entries import Entry, ManifestHeader
from engine.model.errors import LibraryOffline
from engine.model.states import SubclientKind
from engine.operations.planning import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one backup job is read, and what binds a journal to its content."""

    home: Home
    scope: Scope
    copy_id: int
    """The source copy."""
    backup_job: BackupJobValue
    subclient: SubclientValue
    client: str
    library: Library | None
    """The library of the source copy; None when it is read where it landed."""

    @property
    def is_landing(self) -> bool:
        """True when the backup job is read in its landing directory."""
        return (
            self.subclient.kind == SubclientKind.LANDING and self.copy_id == self.scope.primary.id
        )

    @property
    def key(self) -> str:
        """Binds a journal to this content, whichever copy it is read from."""
        return f"{self.backup_job.id}:{self.backup_job.fingerprint}"

    @property
    def header(self) -> ManifestHeader:
        """The header of the manifest on every copy."""
        job = self.backup_job
        return ManifestHeader(
            backup_job_id=job.id,
            commcell_id=self.scope.commcell_id,
            commcell=self.scope.commcell,
            policy=self.scope.policy.name,
            client=self.client,
            subclient=self.subclient.name,
            level=job.level,
            kind=self.subclient.kind,
            started_at=job.started_at.isoformat(),
            completed_at=job.completed_at.isoformat(),
            adopted_at=job.adopted_at.isoformat(),
            name=job.name,
            cycle=job.cycle,
        )

    def reading_from(self, library: Library | None) -> Source:
        """The same backup job, read from an open library."""
        return replace(self, library=library)

    def open(self) -> JobReader:
        """Opens the backup job for reading. Runs in a worker thread.

        Raises:
            SourceError, LibraryOffline, ManifestError, NotFoundError.
        """
        if not self.is_landing:
            if self.library is None:
                name = self.scope.copies[self.copy_id].name
                raise LibraryOffline(f"the library of source copy {name} cannot be used now")
            place = Place(self.scope.policy.name, self.scope.copies[self.copy_id].name)
            return self.library.read_job(place, self.backup_job.id)
        header, entries = load_manifest(self.home.manifest(self.backup_job.id))
        landing = os.fsencode(self.subclient.landing)
        return LandingReader(landing, header, entries, has_digests=has_digests(entries))

    def remember(self, header: ManifestHeader, entries: Sequence[Entry]) -> None:
        """Keeps the digests of a landing job, durable, before anything is published."""
        save_manifest(self.home.manifest(self.backup_job.id), header, entries)
