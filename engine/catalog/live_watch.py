"""How copies stand, their trend, and what alarms stand, for consoles and listing commands."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any

from engine.catalog.live_rows import LiveQueries, at, known_at, to_text
from engine.catalog.rule_values import AlertValue
from engine.catalog.watch_values import AlarmValue, AlertMessageValue, CopySample, CopyStanding

_STANDING = (
    "copy_id, at, owed_jobs, owed_bytes, oldest_due_at, behind_since, behind_reasons, rate_bps,"
    " income_bps, caught_up_at, earliest_at, latest_at, is_known, forecast"
)
_SAMPLE = "copy_id, at, held_jobs, held_bytes, owed_jobs, owed_bytes, partial_bytes, copied_bytes, seconds"
_ALARM = (
    "id, kind, cause, about, severity, message, hint, job_id, policy, measure, times, first_at,"
    " last_at, cleared_at"
)
_MESSAGE = "id, alert, alarm_id, step, content, state, filed_at, next_try_at, tries, sent_at, error"


class WatchQueries(LiveQueries):
    """Queries of what is watched."""

    def standings(self) -> dict[int, CopyStanding]:
        """How each active secondary copy stood when the service measured last, by copy id."""
        rows = self._rows(f"SELECT {_STANDING} FROM copy_standing")  # noqa: S608 - constants
        return {row["copy_id"]: _standing(row) for row in rows}

    def trend(self, copy_id: int, since: datetime | None = None) -> tuple[CopySample, ...]:
        """Samples of a copy, oldest first: every five minutes, after a week one an hour, 90 days.

        Args:
            copy_id: which copy.
            since: only from then on.
        """
        rows = self._rows(
            f"SELECT {_SAMPLE} FROM copy_sample WHERE copy_id = ? AND at >= ? ORDER BY slot",  # noqa: S608 - constants
            copy_id,
            "" if since is None else to_text(since),
        )
        return tuple(CopySample(**{**dict(row), "at": known_at(row["at"])}) for row in rows)

    def alarms(self, *, standing: bool = True, limit: int = 1000) -> tuple[AlarmValue, ...]:
        """Alarms, the newest first.

        Args:
            standing: only those that have not cleared.
            limit: at most so many.
        """
        where = "WHERE cleared_at IS NULL" if standing else ""
        rows = self._rows(
            f"SELECT {_ALARM} FROM alarm {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - constants
            limit,
        )
        return tuple(_alarm(row) for row in rows)

    def alerts(self) -> tuple[AlertValue, ...]:
        """The alerts of the configuration, by name."""
        rows = self._rows('SELECT id, name, on_events, "to", options FROM alert ORDER BY name')
        return tuple(
            AlertValue(
                id=row["id"],
                name=row["name"],
                on_events=tuple(json.loads(row["on_events"])),
                to=row["to"],
                options=json.loads(row["options"]),
            )
            for row in rows
        )

    def alert_messages(self, *, limit: int = 1000) -> tuple[AlertMessageValue, ...]:
        """Messages of the outbox, the newest first."""
        rows = self._rows(
            f"SELECT {_MESSAGE} FROM alert_message ORDER BY id DESC LIMIT ?",  # noqa: S608 - constants
            limit,
        )
        return tuple(_message(row) for row in rows)

    def waiting_messages(self) -> dict[str, int]:
        """How many messages wait to be delivered, by alert."""
        rows = self._rows(
            "SELECT alert, count(*) FROM alert_message WHERE state = 'waiting' GROUP BY alert"
        )
        return {row[0]: row[1] for row in rows}

    def last_successes(self) -> dict[tuple[str, str], datetime]:
        """When the last completed job ended, by operation and policy."""
        rows = self._rows(
            "SELECT operation, policy, max(ended_at) FROM job"
            " WHERE state = 'completed' AND ended_at IS NOT NULL GROUP BY operation, policy"
        )
        return {(row[0], row[1]): known_at(row[2]) for row in rows}


def _standing(row: sqlite3.Row) -> CopyStanding:
    values: dict[str, Any] = dict(row)
    values["behind_reasons"] = tuple(json.loads(row["behind_reasons"]))
    values["is_known"] = bool(row["is_known"])
    values["at"] = known_at(row["at"])
    for name in ("oldest_due_at", "behind_since", "caught_up_at", "earliest_at", "latest_at"):
        values[name] = at(row[name])
    return CopyStanding(**values)


def _alarm(row: sqlite3.Row) -> AlarmValue:
    values: dict[str, Any] = dict(row)
    values["first_at"], values["last_at"] = known_at(row["first_at"]), known_at(row["last_at"])
    values["cleared_at"] = at(row["cleared_at"])
    return AlarmValue(**values)


def _message(row: sqlite3.Row) -> AlertMessageValue:
    values: dict[str, Any] = dict(row)
    values["content"] = json.loads(row["content"])
    values["filed_at"] = known_at(row["filed_at"])
    values["next_try_at"] = known_at(row["next_try_at"])
    values["sent_at"] = at(row["sent_at"])
    return AlertMessageValue(**values)
