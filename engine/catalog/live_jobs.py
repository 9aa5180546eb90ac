"""Jobs as consoles see them: controller, history, streams, attempts, events, errors, items."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.catalog.live_rows import LiveQueries, at, known_at, marks, to_text
from engine.catalog.live_values import HistoryFilter, LiveItem
from engine.catalog.running_values import (
    AttemptValue,
    EventValue,
    JobErrorValue,
    JobValue,
    RateSampleValue,
    StreamValue,
)
from engine.model.errors import NotFoundError
from engine.model.states import (
    ACTIVE_JOB_STATES,
    FINAL_JOB_STATES,
    JobState,
    Operation,
    Phase,
    Severity,
    StreamState,
)

SERVICE_DOWN = "the service is down; started again, it goes on where it was"
RECENT_JOBS = 1000  # newest ids that are looked through for what has just ended

_COLUMNS = (
    "id, operation, policy_id, policy, copies, options, description, state, phase, reason, until, desired,"
    " priority, initiated_by, created_at, started_at, ended_at, backup_jobs_total,"
    " backup_jobs_done, backup_jobs_failed, backup_jobs_skipped, bytes_total, bytes_done,"
    " bytes_per_second, bytes_reused, seconds_left, streams, streams_limited_by, throttle_bps,"
    " attempts, errors, exit_code, epoch, updated_at"
)
_ACTIVE = tuple(sorted(ACTIVE_JOB_STATES))
_FINAL = tuple(sorted(FINAL_JOB_STATES))

_ITEMS = """
SELECT i.backup_job_id, c.name AS client, s.name AS subclient, p.name AS copy, i.outcome,
       i.reason, i.size_bytes, i.seconds, i.ended_at
FROM job_item i JOIN backup_job b ON b.id = i.backup_job_id
JOIN subclient s ON s.id = b.subclient_id JOIN client c ON c.id = s.client_id
JOIN policy_copy p ON p.id = i.copy_id
WHERE i.job_id = ? ORDER BY i.ended_at DESC, i.backup_job_id LIMIT ?
"""


def _job(row: sqlite3.Row) -> JobValue:
    values = dict(row)
    values["copies"] = tuple(json.loads(row["copies"]))
    values["options"] = json.loads(row["options"])
    values["operation"] = Operation(row["operation"])
    values["state"] = JobState(row["state"])
    values["phase"] = Phase(row["phase"])
    for name in ("until", "started_at", "ended_at"):
        values[name] = at(row[name])
    for name in ("created_at", "updated_at"):
        values[name] = known_at(row[name])
    return JobValue(**values)


def _interrupted(job: JobValue) -> JobValue:
    """A job that was running when its service died: it stands still, and is fast at nothing."""
    if job.state is not JobState.RUNNING:
        return job
    return replace(
        job,
        state=JobState.INTERRUPTED,
        phase=Phase.NONE,
        reason=SERVICE_DOWN,
        bytes_per_second=0,
        seconds_left=None,
        streams=0,
        streams_limited_by="",
    )


def _recorded_as(states: Sequence[JobState]) -> tuple[JobState, ...]:
    """Which recorded states to look for while no service is alive: `running` means interrupted."""
    asked = set(states) - {JobState.RUNNING}
    if JobState.INTERRUPTED in asked:
        asked.add(JobState.RUNNING)
    return tuple(sorted(asked))


class JobQueries(LiveQueries):
    """Queries of jobs; what was at work in a service that has died is told as interrupted."""

    _is_alive: Callable[[], bool] | None = None
    """Whether a service holds the catalog; None: jobs are told as they are recorded."""

    def _is_down(self) -> bool:
        return self._is_alive is not None and not self._is_alive()

    def _as_they_are(self, found: tuple[JobValue, ...]) -> tuple[JobValue, ...]:
        """A service that was killed cannot write that its jobs stand still."""
        if any(job.state is JobState.RUNNING for job in found) and self._is_down():
            return tuple(_interrupted(job) for job in found)
        return found

    def active_jobs(self) -> tuple[JobValue, ...]:
        """Jobs that are not final, oldest first."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM job WHERE state IN ({marks(len(_ACTIVE))}) ORDER BY id",  # noqa: S608 - constants
            *_ACTIVE,
        )
        return self._as_they_are(tuple(_job(row) for row in rows))

    def job_counts(self) -> dict[tuple[str, str], int]:
        """How many jobs there are, active and in the history, by operation and state."""
        rows = self._rows("SELECT operation, state, count(*) FROM job GROUP BY operation, state")
        running, down = JobState.RUNNING.value, self._is_down()
        found: dict[tuple[str, str], int] = {}
        for operation, recorded, number in rows:
            state = JobState.INTERRUPTED.value if down and recorded == running else recorded
            found[operation, state] = found.get((operation, state), 0) + number
        return found

    def recent_jobs(self, since: datetime) -> tuple[JobValue, ...]:
        """Jobs that ended after `since`, the last one first."""
        rows = self._rows(
            f"SELECT * FROM (SELECT {_COLUMNS} FROM job ORDER BY id DESC LIMIT {RECENT_JOBS})"  # noqa: S608 - constants
            f" WHERE state IN ({marks(len(_FINAL))}) AND ended_at >= ? ORDER BY ended_at DESC",
            *_FINAL,
            to_text(since),
        )
        return tuple(_job(row) for row in rows)

    def job(self, job_id: int) -> JobValue:
        """One job.

        Raises:
            NotFoundError: there is none of that id.
        """
        found = self.jobs_by_id((job_id,))
        if job_id not in found:
            raise NotFoundError(f"no job {job_id}", hint="`auxtui jobs --history` lists them")
        return found[job_id]

    def history_ids(self, where: HistoryFilter) -> array[int]:
        """Ids of the jobs that match, newest first; the rows are read when they are looked at."""
        if where.states and self._is_down():
            where = replace(where, states=_recorded_as(where.states))
            if not where.states:
                return array("q")
        text, parameters = _history_where(where)
        sql = f"SELECT id FROM job WHERE {text} ORDER BY id DESC"  # noqa: S608 - fixed conditions
        return array("q", (row[0] for row in self._rows(sql, *parameters)))

    def jobs_by_id(self, ids: Sequence[int]) -> dict[int, JobValue]:
        """The jobs of these ids; what is gone is missing."""
        sql = f"SELECT {_COLUMNS} FROM job WHERE id IN ({{ids}})"  # noqa: S608 - constants
        found = tuple(_job(row) for row in self._rows_by_id(sql, ids).values())
        return {job.id: job for job in self._as_they_are(found)}

    def history(self, where: HistoryFilter, *, limit: int | None = None) -> tuple[JobValue, ...]:
        """Jobs that match, newest first.

        Args:
            where: the filter.
            limit: at most so many; None: all.
        """
        ids = self.history_ids(where)[:limit]
        found = self.jobs_by_id(ids)
        return tuple(found[job_id] for job_id in ids if job_id in found)

    def streams(self, job_id: int) -> tuple[StreamValue, ...]:
        """The streams of a running job, by number."""
        if self._is_down():
            return ()
        rows = self._rows(
            "SELECT job_id, number, state, backup_job_id, media_agent, copies, path, file_bytes,"
            " file_bytes_done, bytes_done, bytes_per_second FROM stream WHERE job_id = ?"
            " ORDER BY number",
            job_id,
        )
        return tuple(
            StreamValue(**{**dict(row), "state": StreamState(row["state"])}) for row in rows
        )

    def attempts(self, job_id: int) -> tuple[AttemptValue, ...]:
        """The attempts of a job, first one first; one under way has done what the job has by now."""
        rows = self._rows(
            "SELECT job_id, number, started_at, ended_at, outcome, reason, CASE WHEN ended_at IS NULL"
            " THEN (SELECT bytes_done FROM job WHERE id = job_id) ELSE bytes_done END AS bytes_done"
            " FROM attempt WHERE job_id = ? ORDER BY number",
            job_id,
        )
        found: list[AttemptValue] = []
        for row in rows:
            values = dict(row)
            values["started_at"] = known_at(row["started_at"])
            values["ended_at"] = at(row["ended_at"])
            found.append(AttemptValue(**values))
        return tuple(found)

    def events(
        self,
        *,
        job_id: int | None = None,
        severities: Sequence[str] = (),
        text: str = "",
        limit: int = 1000,
    ) -> tuple[EventValue, ...]:
        """The event log, newest first.

        Args:
            job_id: only those of one job.
            severities: only these; empty: all.
            text: found in the message, the code or the job id, in either case.
            limit: at most so many.
        """
        conditions, parameters = ["1"], list[object]()
        if job_id is not None:
            conditions.append("job_id = ?")
            parameters.append(job_id)
        if severities:
            conditions.append(f"severity IN ({marks(len(severities))})")
            parameters.extend(severities)
        if text:
            conditions.append(
                "instr(lower(message || ' ' || code || ' ' || coalesce(job_id, '')), ?) > 0"
            )
            parameters.append(text.lower())
        rows = self._rows(
            "SELECT id, at, severity, code, job_id, message FROM event WHERE "  # noqa: S608 - fixed conditions
            + " AND ".join(conditions)
            + " ORDER BY id DESC LIMIT ?",
            *parameters,
            limit,
        )
        return tuple(
            EventValue(
                **{**dict(row), "at": known_at(row["at"]), "severity": Severity(row["severity"])}
            )
            for row in rows
        )

    def plan(self, job_id: int) -> dict[str, Any] | None:
        """The plan with which a run began; None when it has none.

        Raises:
            CatalogCorrupt: it cannot be read back.
        """
        from engine.catalog.packing import unpacked  # not for the first paint

        rows = self._rows("SELECT plan FROM job_plan WHERE job_id = ?", job_id)
        return unpacked(rows[0]["plan"], job_id) if rows else None

    def errors(self, job_id: int, *, limit: int = 1000) -> tuple[JobErrorValue, ...]:
        """The errors of a job, first one first."""
        rows = self._rows(
            "SELECT id, job_id, at, backup_job_id, copy_name, path, error, hint FROM job_error"
            " WHERE job_id = ? ORDER BY id LIMIT ?",
            job_id,
            limit,
        )
        return tuple(JobErrorValue(**{**dict(row), "at": known_at(row["at"])}) for row in rows)

    def rate_samples(self, job_id: int) -> tuple[RateSampleValue, ...]:
        """The rate history of a job, oldest first."""
        rows = self._rows(
            "SELECT at, bytes_done FROM rate_sample WHERE job_id = ? ORDER BY id", job_id
        )
        return tuple(
            RateSampleValue(at=known_at(row["at"]), bytes_done=row["bytes_done"]) for row in rows
        )

    def items(self, job_id: int, *, limit: int = 1000) -> tuple[LiveItem, ...]:
        """What a run did with each backup job, the last one first."""
        rows = self._rows(_ITEMS, job_id, limit)
        return tuple(
            LiveItem(**{**dict(row), "ended_at": known_at(row["ended_at"])}) for row in rows
        )


def _history_where(where: HistoryFilter) -> tuple[str, list[object]]:
    conditions, parameters = ["1"], list[object]()
    states = tuple(state.value for state in where.states)
    if where.active is not None:
        allowed = _ACTIVE if where.active else _FINAL
        states = tuple(state for state in (states or allowed) if state in allowed)
        if not states:
            return "0", []
    if states:
        conditions.append(f"state IN ({marks(len(states))})")
        parameters.extend(states)
    for column, value in (("operation", where.operation), ("policy", where.policy)):
        if value:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    if where.since is not None:
        conditions.append("(created_at >= ? OR ended_at IS NULL OR ended_at >= ?)")
        parameters.extend([to_text(where.since)] * 2)
    if where.text:
        conditions.append(
            "instr(lower(id || ' ' || policy || ' ' || state || ' ' || reason || ' '"
            " || description || ' ' || initiated_by), ?) > 0"
        )
        parameters.append(where.text.lower())
    return " AND ".join(conditions), parameters
