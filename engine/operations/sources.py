"""Opens a backup job where a copy reads it from: a landing directory or a library."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from blake3 import blake3

from engine.catalog.home import Home
from engine.catalog.values import BackupJobValue, SubclientValue
from engine.library.age import load_identities
from engine.library.interface import JobReader, Library, Place
from engine.library.landing import LandingReader
from engine.library.manifest import has_digests, load_manifest, save_manifest
from engine.model.encoding import PLAIN, Encoding
from engine.model.entries import Entry, ManifestHeader
from engine.model.errors import LibraryOffline, ManifestError
from engine.model.states import SubclientKind
from engine.operations.planning import Scope
from engine.transfer.decoding import readable


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
    encoding: Encoding = PLAIN
    """Of the job copy there, as the ledger has it."""

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

    def key_of(self, encoding: Encoding, *, encodes: bool) -> str:
        """Binds a journal to the bytes of this content under an encoding.

        What is encoded on the way never goes on from what was moved as it was, nor the other way
        round; what is moved as it is belongs to the very files of its source.

        Raises:
            LibraryOffline, SourceError: the source cannot be looked at.
        """
        if encodes:
            name = blake3(encoding.text.encode()).hexdigest(length=8)
            return f"{self.key}:to:{name}"
        if encoding.is_plain or self.library is None:
            return self.key
        digest = self.library.manifest_digest(self.place, self.backup_job.id)
        return f"{self.key}:of:{digest.hex()}"

    @property
    def place(self) -> Place:
        """The directory of the source copy below its library."""
        return Place(self.scope.policy.name, self.scope.copies[self.copy_id].name)

    @property
    def header(self) -> ManifestHeader:
        """The header of the manifest on every copy that is not encoded."""
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
            return self.library.read_job(self.place, self.backup_job.id)
        header, entries = load_manifest(self.home.manifest(self.backup_job.id))
        landing = os.fsencode(self.subclient.landing)
        return LandingReader(landing, header, entries, has_digests=has_digests(entries))

    def open_original(self) -> JobReader:
        """Opens the backup job as it was before it was encoded; raises as `open`.

        Raises:
            SourceLocked: no identity of the CommCell opens it.
        """
        return readable(self.open(), load_identities(self.scope.identity_files))

    def open_as_stored(self) -> JobReader:
        """Opens the files as they are on the media; raises as `open`.

        Raises:
            ManifestError: they are encoded in another way: the ledger is not right.
        """
        reader = self.open()
        if reader.header.encoding != self.encoding:
            reader.close()
            raise ManifestError(
                f"backup job {self.backup_job.id} on copy {self.scope.copies[self.copy_id].name} "
                f"is {reader.header.encoding}, not {self.encoding} as the catalog says",
                hint="rebuild the catalog, or copy it again from another copy",
            )
        return reader

    def remember(self, header: ManifestHeader, entries: Sequence[Entry]) -> None:
        """Keeps the digests of a landing job, durable, before anything is published."""
        save_manifest(self.home.manifest(self.backup_job.id), header, entries)
