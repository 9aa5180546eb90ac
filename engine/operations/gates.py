"""Operation windows and activity control of MediaAgents, clients and subclients, while a run copies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
            do_not_submit=value.do_not_submit,
            ignore_higher_levels=value.ignore_higher_levels,
        )
        for value in config.windows(session)
    ]


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a MediaAgent, or backup jobs of a subclient, are not taken now."""

    reason: str
    until: datetime | None
    stops_running: bool = True
    """False: what runs already may end."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Operation windows and activity control, asked for one node at a time."""

    windows: tuple[Window, ...]
    off: tuple[ActivityValue, ...]

    @classmethod
    def load(cls, session: Session, now: datetime) -> Gates:
        """Those of the catalog."""
        return cls(tuple(load_windows(session)), tuple(activity.switched_off(session, now)))

    def closed(self, client: str, subclient: str, now: datetime) -> Closed | None:
        """Why backup jobs of a subclient are not taken now; None when they are.

        Looks at clients and subclients only: what is above them holds for the MediaAgents too.
        """
        node = f"clients.{client}.subclients.{subclient}"
        windows = [w for w in self.windows if any(on.startswith("clients.") for on in w.on_nodes)]
        return self._closed(node, node_path(node)[1:], windows, now)

    def closed_agent(self, media_agent: str, now: datetime) -> Closed | None:
        """Why a MediaAgent must not copy now; None when it may."""
        node = f"media_agents.{media_agent}"
        return self._closed(node, node_path(node), self.windows, now)

    def closed_agents(self, media_agents: Iterable[str], now: datetime) -> Closed | None:
        """Why a run is held back that any of these MediaAgents could do: all of them are closed."""
        found = [self.closed_agent(name, now) for name in media_agents]
        closed = [one for one in found if one is not None]
        if not closed or len(closed) < len(found):
            return None
        times = [one.until for one in closed if one.until is not None]
        stops = any(one.stops_running for one in closed)
        return Closed(closed[0].reason, min(times, default=None), stops)

    def _closed(
        self, node: str, path: tuple[str, ...], windows: Sequence[Window], now: datetime
    ) -> Closed | None:
        for value in self.off:
            if value.node in path and (value.off_until is None or value.off_until > now):
                why = f"activity is switched off on {value.node} by {value.by}"
                return Closed(why, value.off_until)
        found = blocked(windows, [node], Operation.AUXCOPY, now)
        if found is None:
            return None
        return Closed(found.reason, found.until, not found.let_running_jobs_finish)
