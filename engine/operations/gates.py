"""Operation windows and activity control of clients and subclients: for each backup job taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from engine.catalog import activity, config
from engine.catalog.values import ActivityValue
from engine.model.states import Operation
from engine.policy.windows import Window, blocked, node_path, window_from


def load_windows(session: Session) -> list[Window]:
    """The operation windows of the catalog as the rules see them."""
    return [
        window_from(
            name=value.name,
            on_nodes=value.on_nodes,
            operations=value.operations,
            do_not_run=value.do_not_run,
            time_zone=value.time_zone,
            let_running_jobs_finish=value.let_running_jobs_finish,
            ignore_higher_levels=value.ignore_higher_levels,
        )
        for value in config.windows(session)
    ]


@dataclass(frozen=True, slots=True)
class Closed:
    """Why backup jobs of a subclient are not taken now."""

    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Gates:
    """What holds below the client level; the run as a whole has been admitted already."""

    windows: tuple[Window, ...]
    off: tuple[ActivityValue, ...]

    @classmethod
    def load(cls, session: Session, now: datetime) -> Gates:
        """Those of the catalog that name a client or a subclient."""
        return cls(
            tuple(
                window
                for window in load_windows(session)
                if any(node.startswith("clients.") for node in window.on_nodes)
            ),
            tuple(
                value
                for value in activity.switched_off(session, now)
                if value.node.startswith("clients.")
            ),
        )

    def closed(self, client: str, subclient: str, now: datetime) -> Closed | None:
        """Why backup jobs of a subclient are not taken now; None when they are."""
        node = f"clients.{client}.subclients.{subclient}"
        path = node_path(node)
        for value in self.off:
            if value.node in path and (value.off_until is None or value.off_until > now):
                why = f"activity is switched off on {value.node} by {value.by}"
                return Closed(why, value.off_until)
        found = blocked(self.windows, [node], Operation.AUXCOPY, now)
        return None if found is None else Closed(found.reason, found.until)
