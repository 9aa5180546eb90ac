"""What a deletion rests on: job copies elsewhere, looked at before data aging believes in them.

The ledger may be wrong about a disk that is away or was changed by hand. What would go is kept
until one of the job copies that stay for it is seen: library online, manifest there, and the one
that was published.
"""

from __future__ import annotations

from pathlib import Path

from sqlmodel import Session

from engine.catalog.home import Home
from engine.catalog.values import JobCopyValue
from engine.library.interface import Library
from engine.model.entries import FileEntry
from engine.model.errors import AuxError, LibraryOffline, NotFoundError
from engine.operations.aging_decision import CopyDecision, Decision, is_good
from engine.operations.jobcopies import Located, Locator
from engine.operations.probing import look_at


def find_holders(session: Session, home: Home, decision: Decision) -> None:
    """Notes for each backup job of which something goes the good job copies that stay for it."""
    going = {backup_job_id for one in decision.copies for backup_job_id in one.aging}
    locator = Locator(session, home, decision.scope)
    decision.holders = {backup_job_id: [] for backup_job_id in going}
    for one in decision.copies:
        for verdict in one.verdicts:
            line = one.lines[verdict.backup_job_id]
            if verdict.backup_job_id in going and not verdict.may_age and is_good(line):
                decision.holders[verdict.backup_job_id].append(locator.located(line))


class HolderLook:
    """Looks at job copies, at each once. Blocking.

    Args:
        home: for the keys and the trusted hosts of libraries.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._libraries: dict[int, Library | LibraryOffline] = {}
        self._missing: dict[tuple[int, int], str] = {}

    def leave_unproved(self, decision: Decision) -> None:
        """Keeps what would go where none of its holders is seen; and with it the whole cycle."""
        for one in decision.copies:
            kept: dict[tuple[int, int], int] = {}
            for backup_job_id in one.aging:
                reason = self._why_not(decision.holders.get(backup_job_id, ()))
                if reason:
                    one.left[backup_job_id] = f"stays: {reason}"
                    kept.setdefault(_cycle(one.lines[backup_job_id]), backup_job_id)
            _keep_cycles(one, kept)

    def _why_not(self, holders: list[Located] | tuple[()]) -> str:
        """Why no holder is seen; empty when one is, or none is needed."""
        reasons = []
        for holder in holders:
            if holder.pair not in self._missing:
                self._missing[holder.pair] = self._look(holder)
            if not self._missing[holder.pair]:
                return ""
            reasons.append(self._missing[holder.pair])
        return "; ".join(reasons)

    def _look(self, holder: Located) -> str:
        """What is wrong with a job copy, as cheap as it can be told; empty: it is there."""
        name = holder.copy.name
        try:
            if holder.is_landing:
                _look_at_landing(holder)
                return ""
            found = self._library(holder).manifest_digest(holder.place, holder.line.backup_job_id)
        except LibraryOffline:
            return f"{name} is offline"
        except NotFoundError:
            return f"its job copy on {name} is not there"
        except AuxError as err:
            return f"its job copy on {name} is not sure: {err.message}"
        if holder.line.manifest_digest not in (None, found):
            return f"the manifest of its job copy on {name} is not the one that was published"
        return ""

    def _library(self, holder: Located) -> Library:
        """The open library of a job copy.

        Raises:
            LibraryOffline: it cannot be used now.
            NotFoundError: it has none.
        """
        scope = holder.source.scope
        value = scope.library_of(holder.copy.id)
        if value is None:
            raise NotFoundError(f"copy {holder.copy.name} has no library")
        if value.id not in self._libraries:
            try:
                self._libraries[value.id], _ = look_at(value, scope.commcell_id, self._home)
            except LibraryOffline as err:
                self._libraries[value.id] = err
        library = self._libraries[value.id]
        if isinstance(library, LibraryOffline):
            raise library
        return library


def _look_at_landing(holder: Located) -> None:
    """Opens every file of a landing entry.

    Raises:
        SourceError, LibraryOffline, ManifestError: it is not there as it was adopted.
    """
    reader = holder.source.open()
    try:
        for entry in reader.entries():
            if isinstance(entry, FileEntry):
                reader.open_file(entry).close()
    finally:
        reader.close()


def _keep_cycles(one: CopyDecision, kept: dict[tuple[int, int], int]) -> None:
    """Nothing of a cycle goes while a part of it must stay: it would be worth less."""
    for backup_job_id in one.aging:
        cause = kept.get(_cycle(one.lines[backup_job_id]))
        if cause is not None:
            one.left[backup_job_id] = f"its cycle stays with backup job {cause}"


def _cycle(line: JobCopyValue) -> tuple[int, int]:
    return line.subclient_id, line.cycle
