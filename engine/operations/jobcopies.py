"""Job copies as verification and repair find them: the ledger line, where it lies, how it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from engine.catalog import config, ledger
from engine.catalog.home import Home
from engine.catalog.values import CopyValue, JobCopyValue, SubclientValue
from engine.library.interface import Library, Place
from engine.model.encoding import encoding_from_text
from engine.model.errors import ManifestError, NotFoundError
from engine.model.states import CopyKind, SubclientKind
from engine.operations.planning import Scope
from engine.operations.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """One job copy and where it lies."""

    copy: CopyValue
    line: JobCopyValue
    source: Source
    """Opens it; without its library until that is open."""

    @property
    def pair(self) -> tuple[int, int]:
        """Copy id and backup job id."""
        return self.copy.id, self.line.backup_job_id

    @property
    def place(self) -> Place:
        """The directory of its copy below the library."""
        return Place(self.source.scope.policy.name, self.copy.name)

    @property
    def is_landing(self) -> bool:
        """True when it lies in a landing directory."""
        return self.source.is_landing

    def opened_from(self, libraries: dict[int, Library]) -> Source:
        """Its source with the open library."""
        library_id = self.copy.library_id
        return self.source.reading_from(None if library_id is None else libraries.get(library_id))


class Locator:
    """Finds job copies of one policy.

    Args:
        session: any session.
        home: for the manifests of landing jobs.
        scope: the policy.
    """

    def __init__(self, session: Session, home: Home, scope: Scope) -> None:
        self._session = session
        self._home = home
        self._scope = scope
        self._subclients = {
            value.id: value for value in config.subclients(session, scope.policy.id)
        }

    def find(self, copy_id: int, backup_job_id: int) -> Located:
        """One job copy.

        Raises:
            NotFoundError: the ledger has none.
        """
        line = ledger.job_copy(self._session, copy_id, backup_job_id)
        if line is None:
            name = self._scope.copies[copy_id].name
            raise NotFoundError(
                f"backup job {backup_job_id} was never on copy {name}",
                hint=f"see: auxtui copies {self._scope.policy.name}/{name}",
            )
        return self.located(line)

    def located(self, line: JobCopyValue) -> Located:
        """Where a line of the ledger lies."""
        copy = self._scope.copies[line.copy_id]
        subclient = self._subclient(line)
        job = ledger.backup_job(self._session, line.backup_job_id)
        return Located(
            copy=copy,
            line=line,
            source=Source(
                home=self._home,
                scope=self._scope,
                copy_id=copy.id,
                backup_job=job,
                subclient=subclient,
                client=subclient.client,
                library=None,
                encoding=encoding_from_text(line.encoding),
            ),
        )

    def is_landing(self, line: JobCopyValue) -> bool:
        """True for what lies in a landing directory."""
        copy = self._scope.copies[line.copy_id]
        kind = self._subclient(line).kind
        return copy.kind == CopyKind.PRIMARY and kind == SubclientKind.LANDING

    def _subclient(self, line: JobCopyValue) -> SubclientValue:
        return self._subclients[line.subclient_id]


def check_manifest(one: Located, library: Library | None) -> str:
    """Compares the manifest file with what was published; returns its digest in hex. Blocking.

    Raises:
        ManifestError: it is another one.
        NotFoundError, SourceError, LibraryOffline: it cannot be read.
    """
    if library is None or one.is_landing:
        return one.line.fingerprint
    digest = library.manifest_digest(one.place, one.line.backup_job_id)
    known = one.line.manifest_digest
    if known is not None and digest != known:
        raise ManifestError(
            f"the manifest of backup job {one.line.backup_job_id} on copy {one.copy.name} is "
            "not the one that was published: it was changed or replaced",
            hint="repair this job copy from another one",
        )
    return digest.hex()


def copy_named(scope: Scope, name: str) -> CopyValue:
    """A copy of a policy by its name.

    Raises:
        NotFoundError: there is none.
    """
    for copy in scope.copies.values():
        if copy.name == name:
            return copy
    names = ", ".join(sorted(copy.name for copy in scope.copies.values()))
    raise NotFoundError(
        f"policy {scope.policy.name} has no copy {name}", hint=f"its copies: {names}"
    )


def ids_of(payload: dict[str, Any]) -> list[int]:
    """The backup jobs that a request names, each once."""
    return list(dict.fromkeys(int(job_id) for job_id in payload.get("backup_jobs", [])))
