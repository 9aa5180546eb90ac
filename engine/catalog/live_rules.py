"""When operations start and when they must not: schedules, windows, activity control, streams in use."""

from __future__ import annotations

import json
from typing import Any

from engine.catalog.live_rows import LiveQueries, at, known_at
from engine.catalog.rule_values import ActivityValue, ScheduleValue, WindowValue
from engine.model.states import Operation


class RuleQueries(LiveQueries):
    """Queries of what rules over time."""

    def schedules(self) -> tuple[ScheduleValue, ...]:
        """All schedules by name, the service's own included."""
        found: list[ScheduleValue] = []
        for row in self._rows(
            "SELECT id, name, operation, policy_id, spec, time_zone, enabled, start_missed,"
            " options, next_run_at, last_run_at, seen_at FROM schedule ORDER BY name"
        ):
            values: dict[str, Any] = dict(row)
            values["operation"] = Operation(row["operation"])
            values["enabled"] = bool(row["enabled"])
            values["start_missed"] = bool(row["start_missed"])
            values["options"] = json.loads(row["options"])
            values["next_run_at"] = at(row["next_run_at"])
            values["last_run_at"] = at(row["last_run_at"])
            values["seen_at"] = at(row["seen_at"])
            found.append(ScheduleValue(**values))
        return tuple(found)

    def windows(self) -> tuple[WindowValue, ...]:
        """All operation windows by name."""
        found: list[WindowValue] = []
        for row in self._rows(
            "SELECT id, name, on_nodes, operations, do_not_run, time_zone,"
            " let_running_jobs_finish, do_not_submit, ignore_higher_levels FROM operation_window ORDER BY name"
        ):
            values: dict[str, Any] = dict(row)
            for name in ("on_nodes", "operations", "do_not_run"):
                values[name] = tuple(json.loads(row[name]))
            for name in ("let_running_jobs_finish", "do_not_submit", "ignore_higher_levels"):
                values[name] = bool(row[name])
            found.append(WindowValue(**values))
        return tuple(found)

    def switched_off(self) -> tuple[ActivityValue, ...]:
        """Nodes on which activity was switched off; those whose time is over are still among them."""
        return tuple(
            ActivityValue(
                node=row["node"],
                off_until=at(row["off_until"]),
                by=row["by"],
                at=known_at(row["at"]),
            )
            for row in self._rows('SELECT node, off_until, "by", "at" FROM activity ORDER BY node')
        )

    def streams_in_use(self) -> dict[str, int]:
        """Streams at work by the name of their MediaAgent."""
        rows = self._rows("SELECT media_agent, count(*) AS n FROM stream GROUP BY media_agent")
        return {row["media_agent"]: row["n"] for row in rows}

    def media_agent_names(self) -> tuple[str, ...]:
        """The MediaAgents by name."""
        return tuple(
            row["name"] for row in self._rows("SELECT name FROM media_agent ORDER BY name")
        )
