"""The way into the engine for everything that is not reading: the front door, as a port.

Its calls block; the console makes them in threads. SQLModel comes with them, so the real one is
imported at the first call and never for the first paint.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from auxtui.door_alerts import Alerts, AlertsDoor
from auxtui.door_rules import Rules, RulesDoor
from auxtui.door_site import Site, SiteDoor
from auxtui.door_upkeep import Upkeep, UpkeepDoor
from engine.catalog.home import Home
from engine.model.errors import ServiceError
from engine.model.states import RequestKind

if TYPE_CHECKING:
    from engine.policy.values import RunOptions


class Door(UpkeepDoor, RulesDoor, SiteDoor, AlertsDoor, Protocol):
    """What the console asks of the engine. Every call may raise an `AuxError`."""

    def ensure_service(self) -> None:
        """Starts the service if it is not running."""
        ...

    def upgrade_catalog(self) -> None:
        """Brings a catalog of an older form up to date, after a copy of it; not beside a service."""
        ...

    def run_auxcopy(self, policy: str, options: RunOptions) -> int:
        """Starts an auxiliary copy; returns the job id."""
        ...

    def held_back(self, job_id: int) -> str:
        """Why a job does not begin now, and until when; empty when it may, or has."""
        ...

    def preview(self, policy: str, options: RunOptions) -> Mapping[str, Any]:
        """The plan of a run that is not started."""
        ...

    def schedule_auxcopy(
        self, policy: str, options: RunOptions, *, name: str, when: str, time_zone: str
    ) -> None:
        """Makes a schedule that runs an auxiliary copy; it is part of the configuration."""
        ...

    def save_script(self, policy: str, options: RunOptions, file: str) -> None:
        """Writes a run as a file for `auxtui auxcopy --script`."""
        ...

    def request(
        self, kind: RequestKind, job_id: int | None, payload: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Files a request, waits for the service, returns its answer."""
        ...

    def scan(self, subclient: str | None) -> Mapping[str, Any]:
        """Looks for new backup jobs of one landing subclient, `client/subclient`, or of all."""
        ...


def whoami() -> str:
    """The user of this console, `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


class FrontDoor(Upkeep, Rules, Site, Alerts):
    """The engine's own front door."""

    def __init__(self, home: Home) -> None:
        super().__init__(home, whoami())

    def _engine(self) -> Any:
        try:
            from engine.control import frontdoor
        except ImportError as err:
            raise ServiceError(
                f"the engine cannot be loaded: {err}", hint="install auxtui anew (`make demo`)"
            ) from err
        return frontdoor

    def ensure_service(self) -> None:
        self._engine().ensure_service(self._home)

    def upgrade_catalog(self) -> None:
        from engine.catalog.opening import open_catalog

        open_catalog(self._home).close()

    def run_auxcopy(self, policy: str, options: RunOptions) -> int:
        return int(self._engine().run_auxcopy(self._home, policy, options, by=self._by))

    def held_back(self, job_id: int) -> str:
        return str(self._engine().held_back(self._home, job_id))

    def preview(self, policy: str, options: RunOptions) -> Mapping[str, Any]:
        plan: Mapping[str, Any] = self._engine().preview(self._home, policy, options)
        return plan

    def schedule_auxcopy(
        self, policy: str, options: RunOptions, *, name: str, when: str, time_zone: str
    ) -> None:
        from engine.catalog.opening import open_catalog
        from engine.model.clock import system_clock
        from engine.site.scheduling import NewSchedule, add_schedule

        self.preview(policy, options)  # a run that would be refused is not scheduled
        wanted = NewSchedule(
            name=name, policy=policy, when=when, options=options, time_zone=time_zone
        )
        with open_catalog(self._home) as catalog:
            add_schedule(catalog, wanted, dry_run=False, now=system_clock())
        self.ensure_service()  # it is what starts the runs

    def save_script(self, policy: str, options: RunOptions, file: str) -> None:
        from engine.site.run_form import save_script

        self.preview(policy, options)  # a form that cannot run is not saved
        save_script(os.path.expanduser(file), policy, options)

    def request(
        self, kind: RequestKind, job_id: int | None, payload: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._engine().request(
            self._home, kind, job_id, dict(payload), by=self._by
        )
        return answer

    def scan(self, subclient: str | None) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._engine().run_scan(self._home, subclient, by=self._by)
        return found
