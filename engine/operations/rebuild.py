"""Rebuilds the ledger from the manifests in the libraries alone; lists what cannot be known.

The configuration comes from the site file, applied before. Ids stay those of the manifests and are
never issued twice. Run again, or with another library, it adds what was not there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session

from engine.catalog import config, ledger
from engine.catalog.events import add_event
from engine.catalog.home import Home
from engine.catalog.lines import primary_copy_id
from engine.catalog.rows import BACKUP_JOB, COMMCELL, ID_SEQUENCE, connection_of
from engine.catalog.values import CopyValue, LibraryValue, PolicyValue, SubclientValue
from engine.library import discover, open_library
from engine.library.age import load_identities
from engine.library.discovery import Discovered
from engine.library.interface import Library
from engine.library.landing import LandingReader
from engine.library.landing_walk import fingerprint
from engine.library.manifest import save_manifest
from engine.model.encoding import PLAIN
from engine.model.entries import (
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    encoded_header,
    original,
)
from engine.model.errors import AuxError, LibraryOffline, NotFoundError, SourceError, UsageError
from engine.model.states import JobCopyState, Level, Severity, SubclientKind
from engine.operations.deciding import settle_all
from engine.operations.probing import record_probe
from engine.operations.rebuilt_content import believe_newest, rebuilt_index

NOT_KNOWN = (
    "the history of jobs, their errors and the event log",
    "what was aged off, or decided about single job copies: the rules decide anew",
    "results of data verification, and who keeps job copies beyond their retention",
    "what backup jobs were adopted without: what said `incomplete` no longer says so",
    "when each job copy was made: the time of the rebuild stands for it",
    "backup jobs that were never copied: the next scan adopts them again, under new ids",
)


@dataclass(slots=True)
class RebuildReport:
    """What a rebuild has found; names are made inert by whoever shows them."""

    libraries: list[str] = field(default_factory=list)
    backup_jobs: int = 0
    job_copies: int = 0
    missing: list[str] = field(default_factory=list)
    """Policies, copies and subclients that are on the media and not in the configuration."""
    damaged: list[str] = field(default_factory=list)
    """Job copies whose manifest cannot be read, or that contradict what is known."""
    not_known: list[str] = field(default_factory=lambda: list(NOT_KNOWN))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Rebuilding:
    """One rebuild, in one transaction of the caller.

    Args:
        session: a writing session.
        home: gets the manifests of landing jobs.
        now: the present.
    """

    def __init__(self, session: Session, home: Home, now: datetime) -> None:
        self.session = session
        self.home = home
        self.now = now
        self.report = RebuildReport()
        self.policies = {policy.name: policy for policy in config.policies(session)}
        self._subclients = {value.full_name: value for value in config.subclients(session)}
        self._highest_id = 0
        self._identities = load_identities(config.commcell(session).age_identity_files)

    def run(self, names: list[str]) -> RebuildReport:
        """Reads the named libraries, or all.

        Raises:
            NotFoundError: no such library.
            LibraryOffline: one of them is not there.
            UsageError: the catalog is of another CommCell and not fresh.
        """
        libraries = self._libraries(names)
        for value in libraries:
            self._adopt_identity(value)
            self.report.libraries.append(value.name)
        commcell_id = config.commcell(self.session).uuid
        for value in libraries:
            library = open_library(
                value.name, value.url, value.uuid, commcell_id, home=self.home.path
            )
            record_probe(self.session, value, None, library.probe(), self.now)
            for found in discover(value.name, value.url).copies():
                self._rebuild_copy(value, library, found)
        self._raise_sequence()
        settle_all(self.session, self.now)
        add_event(
            self.session,
            severity=Severity.WARNING,
            code="catalog.rebuilt",
            message=f"rebuilt from {', '.join(self.report.libraries)}: "
            f"{self.report.backup_jobs} backup jobs, {self.report.job_copies} job copies",
            now=self.now,
        )
        return self.report

    def _libraries(self, names: list[str]) -> list[LibraryValue]:
        known = {value.name: value for value in config.libraries(self.session)}
        for name in names:
            if name not in known:
                raise NotFoundError(
                    f"there is no library {name}",
                    hint=f"known: {', '.join(sorted(known)) or 'none; apply the site file first'}",
                )
        return [known[name] for name in names or sorted(known)]

    def _adopt_identity(self, value: LibraryValue) -> None:
        """A fresh catalog becomes the CommCell that the library belongs to."""
        identity = discover(value.name, value.url).identity()
        cell = config.commcell(self.session)
        connection = connection_of(self.session)
        if identity.commcell_id != cell.uuid:
            count = connection.execute(select(func.count()).select_from(BACKUP_JOB)).scalar()
            if count:
                raise UsageError(
                    f"library {value.name} belongs to another CommCell, {identity.commcell}, and "
                    f"this catalog has {count} backup jobs of its own",
                    hint="rebuild into a fresh home: apply the site file there first",
                )
            connection.execute(
                update(COMMCELL).where(COMMCELL.c.id == 1).values(uuid=identity.commcell_id)
            )
        config.set_library_uuid(self.session, value.id, identity.uuid)

    def _rebuild_copy(self, value: LibraryValue, library: Library, found: Discovered) -> None:
        self._highest_id = max(self._highest_id, *found.job_ids, *found.partial_ids, 0)
        where = f"{found.place.policy}/{found.place.copy}"
        policy = self.policies.get(found.place.policy)
        copies = config.copies(self.session, policy.id) if policy else []
        copy = next((one for one in copies if one.name == found.place.copy), None)
        if policy is None or copy is None or copy.library_id != value.id:
            if found.job_ids:
                self.report.missing.append(
                    f"copy {where} with {len(found.job_ids)} job copies in library {value.name}"
                )
            return
        for job_id in found.job_ids:
            try:
                self._rebuild_job(policy, copy, library, found, job_id)
            except LibraryOffline:
                raise
            except AuxError as err:
                self.report.damaged.append(f"backup job {job_id} on copy {where}: {err.message}")

    def _rebuild_job(
        self,
        policy: PolicyValue,
        copy: CopyValue,
        library: Library,
        found: Discovered,
        job_id: int,
    ) -> None:
        """Adds a backup job and the job copy that was found.

        Raises:
            AuxError: its manifest cannot be read, or contradicts what another copy said.
        """
        digest = library.manifest_digest(found.place, job_id)
        reader = library.read_job(found.place, job_id)
        try:
            header, entries = reader.header, list(map(original, reader.entries()))
            facts = _facts(entries)
            if header.kind == SubclientKind.CONTENT:
                end = rebuilt_index(self.home, reader, self._identities)
                facts["files"] = facts["files"] if end is None else end.archived
        finally:
            reader.close()
        if (header.policy, header.commcell_id) != (policy.name, self._commcell_id()):
            raise UsageError(f"its manifest is of policy {header.policy}")
        self._add_backup_job(policy, header, entries, facts)
        ledger.set_state(
            self.session,
            copy.id,
            job_id,
            JobCopyState.AVAILABLE,
            "found at the rebuild",
            now=self.now,
            manifest_digest=digest,
            encoding=header.encoding.text,
            chunks_done=facts["chunks"],
            bytes_done=facts["size_bytes"],
            copied_at=self.now,
        )
        self.report.job_copies += 1

    def _commcell_id(self) -> str:
        return config.commcell(self.session).uuid

    def _add_backup_job(
        self,
        policy: PolicyValue,
        header: ManifestHeader,
        entries: list[Entry],
        facts: dict[str, int],
    ) -> None:
        known = ledger.backup_jobs(self.session, [header.backup_job_id]).get(header.backup_job_id)
        completed_at = datetime.fromisoformat(header.completed_at)
        if known is not None:
            if (known.name, known.completed_at, known.size_bytes) != (
                header.name,
                completed_at,
                facts["size_bytes"],
            ):
                raise UsageError("another backup job has this id already")
            return
        subclient = self._subclient(policy, header)
        is_landing = header.kind == SubclientKind.LANDING
        look = f"{fingerprint(entries)}.rebuilt" if is_landing else ""
        ledger.add_backup_job(
            self.session,
            id=header.backup_job_id,
            subclient_id=subclient.id,
            policy_id=policy.id,
            level=Level(header.level),
            name=header.name,
            fingerprint=look,
            cycle=header.cycle,
            started_at=datetime.fromisoformat(header.started_at),
            completed_at=completed_at,
            adopted_at=datetime.fromisoformat(header.adopted_at),
            size_bytes=facts["size_bytes"],
            files=facts["files"],
            chunks=facts["chunks"],
        )
        self.report.backup_jobs += 1
        self._settle_primary(policy, subclient, header, entries)
        if not is_landing:
            believe_newest(self.session, self.home, subclient, header.backup_job_id, self.now)

    def _settle_primary(
        self,
        policy: PolicyValue,
        subclient: SubclientValue,
        header: ManifestHeader,
        entries: list[Entry],
    ) -> None:
        """On the primary it is available only where it is found, there or in a landing directory."""
        state, reason = JobCopyState.AGED, "not found at the rebuild"
        if header.kind == SubclientKind.LANDING:
            self.home.make()
            header = encoded_header(header, PLAIN)
            save_manifest(self.home.manifest(header.backup_job_id), header, entries)
            if _is_in_landing(subclient, header, entries):
                state, reason = JobCopyState.AVAILABLE, "found at the rebuild"
        primary_id = primary_copy_id(self.session, policy.id)
        ledger.set_state(
            self.session, primary_id, header.backup_job_id, state, reason, now=self.now
        )

    def _subclient(self, policy: PolicyValue, header: ManifestHeader) -> SubclientValue:
        """The subclient of the configuration.

        Raises:
            UsageError: there is none: it is listed, once.
        """
        name = f"{header.client}/{header.subclient}"
        found = self._subclients.get(name)
        if found is not None and found.policy_id == policy.id:
            return found
        text = f"subclient {name} of policy {policy.name}"
        if text not in self.report.missing:
            self.report.missing.append(text)
        raise UsageError(f"subclient {name} is not in the configuration of policy {policy.name}")

    def _raise_sequence(self) -> None:
        """An id that was ever given out is not given out again."""
        following = ID_SEQUENCE.c.next_id
        connection_of(self.session).execute(
            update(ID_SEQUENCE)
            .where(ID_SEQUENCE.c.id == 1, following <= self._highest_id)
            .values(next_id=self._highest_id + 1)
        )


def _facts(entries: list[Entry]) -> dict[str, int]:
    """Size, files and chunks of a backup job."""
    files = [entry for entry in entries if isinstance(entry, FileEntry)]
    return {
        "size_bytes": sum(entry.size for entry in files),
        "files": sum(isinstance(entry, (FileEntry, HardlinkEntry)) for entry in entries),
        "chunks": sum(len(entry.chunks) for entry in files),
    }


def _is_in_landing(subclient: SubclientValue, header: ManifestHeader, entries: list[Entry]) -> bool:
    """Whether every file still lies in the landing directory, with its size and time."""
    if subclient.kind != SubclientKind.LANDING or not subclient.landing:
        return False
    try:
        reader = LandingReader(subclient.landing, header, entries, has_digests=True)
    except LibraryOffline:
        return False
    try:
        for entry in entries:
            if isinstance(entry, FileEntry):
                reader.open_file(replace(entry, identity=None)).close()
    except SourceError:
        return False
    finally:
        reader.close()
    return True
