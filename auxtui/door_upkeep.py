"""The door's part for backups, single job copies, proof, repair, restore and aging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from auxtui.door_base import EngineDoor

if TYPE_CHECKING:
    from auxtui.restoring import Entry, Wanted


class UpkeepDoor(Protocol):
    """What the console asks about copies. Every call may raise an `AuxError`."""

    def decide(self, policy: str, copy: str, backup_jobs: Sequence[int], decision: str) -> None:
        """Records picked, do_not_copy, recopy, bad, or empty: the rules decide."""
        ...

    def prioritise(self, policy: str, copy: str, backup_jobs: Sequence[int], priority: int) -> None:
        """Sets the place of backup jobs in the next run, 0 (first) to 9 (last)."""
        ...

    def retain(
        self,
        policy: str,
        copy: str,
        backup_jobs: Sequence[int],
        *,
        until: datetime | None,
        end: bool,
    ) -> None:
        """Keeps job copies until a time, or for good (None); `end` ends that."""
        ...

    def verify(
        self, policy: str, copy: str | None, which: str, *, backup_jobs: Sequence[int] = ()
    ) -> int:
        """Starts data verification; returns the job id."""
        ...

    def repair(self, policy: str, copy: str, backup_jobs: Sequence[int]) -> int:
        """Starts the repair of job copies; returns the job id."""
        ...

    def promote(self, policy: str, copy: str) -> Mapping[str, Any]:
        """Makes a synchronous copy the primary."""
        ...

    def release(self, policy: str, copy: str | None) -> Sequence[Mapping[str, Any]]:
        """Gives up what copies wait for; returns each release."""
        ...

    def preview_aging(self, policy: str | None) -> Mapping[str, Any]:
        """What data aging would do now."""
        ...

    def run_aging(self, policy: str | None, *, confirm: bool) -> int:
        """Starts data aging; returns the job id."""
        ...

    def backup(self, subclient: str, *, level: str | None, accept: bool) -> int:
        """Starts a backup of a subclient, `client/subclient`; returns the job id."""
        ...

    def restore(self, wanted: Wanted, *, to: str, overwrite: bool) -> int:
        """Starts a restore; returns the job id."""
        ...

    def preview_restore(self, wanted: Wanted, *, to: str) -> Any:
        """What a restore would read and where from: a `RestorePreview` of the engine."""
        ...

    def browse(self, wanted: Wanted, path: bytes) -> Sequence[Entry]:
        """What lies in a directory of a backup."""
        ...


class Upkeep(EngineDoor):
    """The same through the engine's front door."""

    def decide(self, policy: str, copy: str, backup_jobs: Sequence[int], decision: str) -> None:
        self._engine().decide(self._home, policy, copy, backup_jobs, decision, by=self._by)

    def prioritise(self, policy: str, copy: str, backup_jobs: Sequence[int], priority: int) -> None:
        self._engine().prioritise(self._home, policy, copy, backup_jobs, priority, by=self._by)

    def retain(
        self,
        policy: str,
        copy: str,
        backup_jobs: Sequence[int],
        *,
        until: datetime | None,
        end: bool,
    ) -> None:
        self._engine().retain(
            self._home, policy, copy, backup_jobs, by=self._by, until=until, end=end
        )

    def verify(
        self, policy: str, copy: str | None, which: str, *, backup_jobs: Sequence[int] = ()
    ) -> int:
        return int(
            self._engine().run_verification(
                self._home, policy, copy, which, by=self._by, backup_jobs=backup_jobs
            )
        )

    def repair(self, policy: str, copy: str, backup_jobs: Sequence[int]) -> int:
        return int(self._engine().repair(self._home, policy, copy, backup_jobs, by=self._by))

    def promote(self, policy: str, copy: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._engine().promote(self._home, policy, copy, by=self._by)
        return answer

    def release(self, policy: str, copy: str | None) -> Sequence[Mapping[str, Any]]:
        released: Sequence[Mapping[str, Any]] = self._engine().release(
            self._home, policy, by=self._by, copy=copy
        )
        return released

    def preview_aging(self, policy: str | None) -> Mapping[str, Any]:
        document: Mapping[str, Any] = self._engine().preview_aging(self._home, policy=policy)
        return document

    def run_aging(self, policy: str | None, *, confirm: bool) -> int:
        return int(
            self._engine().run_aging(
                self._home, dry_run=False, confirm=confirm, policy=policy, by=self._by
            )
        )

    def backup(self, subclient: str, *, level: str | None, accept: bool) -> int:
        return int(
            self._engine().run_backup(
                self._home, subclient, level=level, accept=accept, by=self._by
            )
        )

    def restore(self, wanted: Wanted, *, to: str, overwrite: bool) -> int:
        return int(
            self._engine().run_restore(
                self._home,
                wanted.backup_job_id,
                to=to,
                copy=wanted.copy,
                path_globs=wanted.globs,
                overwrite=overwrite,
                by=self._by,
                subclient=wanted.subclient,
                as_of=wanted.as_of,
                paths=wanted.paths,
                identity_files=wanted.identity_files,
            )
        )

    def preview_restore(self, wanted: Wanted, *, to: str) -> Any:
        return self._engine().preview_restore(
            self._home,
            wanted.backup_job_id,
            to=to,
            copy=wanted.copy,
            subclient=wanted.subclient,
            as_of=wanted.as_of,
            path_globs=wanted.globs,
            paths=wanted.paths,
        )

    def browse(self, wanted: Wanted, path: bytes) -> Sequence[Entry]:
        entries: Sequence[Entry] = self._engine().browse(
            self._home,
            job_id=wanted.backup_job_id,
            subclient=wanted.subclient,
            as_of=wanted.as_of,
            path=path,
        )
        return entries
