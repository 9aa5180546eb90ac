"""The door's part for schedules, activity control and jobs that are run again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from auxtui.door_base import EngineDoor


class RulesDoor(Protocol):
    """What the console asks about time. Every call may raise an `AuxError`."""

    def schedule(self, name: str, act: str) -> Sequence[int]:
        """Runs, enables or disables a schedule; returns the ids of jobs that were started."""
        ...

    def switch_activity(self, node: str, *, on: bool, off_until: datetime | None = None) -> bool:
        """Switches a node and all below it off or on; False when it was so already."""
        ...

    def resubmit(self, job_id: int) -> int:
        """Runs an ended job once more; returns the new job id."""
        ...


class Rules(EngineDoor):
    """The engine's own, as part of the front door."""

    def schedule(self, name: str, act: str) -> Sequence[int]:
        started: list[int] = self._engine().schedule(self._home, name, act, by=self._by)
        return started

    def switch_activity(self, node: str, *, on: bool, off_until: datetime | None = None) -> bool:
        return bool(
            self._engine().switch_activity(
                self._home, node, on=on, by=self._by, off_until=off_until
            )
        )

    def resubmit(self, job_id: int) -> int:
        return int(self._engine().resubmit(self._home, job_id, by=self._by))
