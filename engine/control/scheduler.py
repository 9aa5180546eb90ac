"""Starts runs by schedule: on time, once, and with a word about those that were missed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from engine.catalog import alarms, config, jobs, ledger, schedules
from engine.catalog.events import add_event
from engine.catalog.values import ScheduleValue
from engine.control.admission import not_submitted
from engine.control.upkeep_due import due_payloads
from engine.model.clock import Clock
from engine.model.errors import AuxError
from engine.model.states import Operation, Severity
from engine.operations.planning import load_scope, plan_run
from engine.operations.store import Store
from engine.policy.alerting import AlertKind
from engine.policy.recurrence import ScheduleKind
from engine.policy.schedule import GRACE_S, missed, next_run, parse_schedule
from engine.policy.values import RunOptions
from engine.site.run_form import FORM_KEYS, read_run_form
from engine.site.section import Section, SiteText

log = logging.getLogger(__name__)

_LOOKS_BY_ITSELF = (
    ScheduleKind.AUTOMATIC,
    ScheduleKind.CONTINUOUS,
    ScheduleKind.AFTER_BACKUP,
)

StartRun = Callable[[str, RunOptions, str], Awaitable[int]]
"""Starts an auxiliary copy of a policy, as somebody; returns the job id."""
StartOther = Callable[[Operation, dict[str, Any], str], Awaitable[int]]
"""Starts a job of another operation, as somebody; returns the job id."""


def run_options_of(value: ScheduleValue) -> RunOptions:
    """The saved form of a schedule.

    Raises:
        SiteError: it holds what is no option of a run.
    """
    name = f"schedule {value.name}"
    return read_run_form(Section(SiteText("", name), (), dict(value.options), FORM_KEYS))


class Scheduler:
    """Looks once a second which schedules are due."""

    def __init__(
        self, store: Store, clock: Clock, start_run: StartRun, start_other: StartOther
    ) -> None:
        self.store = store
        self.clock = clock
        self.start_run = start_run
        self.start_other = start_other

    async def begin(self) -> None:
        """Makes the system schedule at the first start."""

        def write(session: Session) -> None:
            zone = config.commcell(session).time_zone
            schedules.ensure_system_schedules(session, zone)

        await self.store.write(write)

    async def tick(self) -> None:
        """Starts what is due now; reckons the next run of what has none."""
        now = self.clock()
        for value in await self.store.read(config.schedules):
            if value.enabled and (value.next_run_at is None or value.next_run_at <= now):
                await self._due(value, now)

    async def run_now(self, name: str, by: str) -> list[int]:
        """Runs a schedule at once, whether it is enabled or not.

        Raises:
            NotFoundError: there is no such schedule.
            UsageError: none of its policies can be run.
        """
        value = await self.store.read(lambda s: schedules.schedule(s, name))
        return await self._start(value, by)

    async def _due(self, value: ScheduleValue, now: datetime) -> None:
        kind = parse_schedule(value.spec, value.time_zone).kind
        if kind is ScheduleKind.AFTER_BACKUP:
            await self._after_backup(value)
            return
        if kind is ScheduleKind.CONTINUOUS and await self._still_running(value):
            return
        following = next_run(value.spec, value.time_zone, now)
        if value.next_run_at is None:
            await self.store.write(lambda s: schedules.claim_run(s, value, next_run_at=following))
            return
        start = await self._is_wanted(value, value.next_run_at, now)
        claimed = await self.store.write(
            lambda s: schedules.claim_run(s, value, next_run_at=following)
        )
        if claimed and start and not await self._is_skipped(value, now):
            await self._start(value, f"schedule {value.name}")

    async def _is_skipped(self, value: ScheduleValue, now: datetime) -> bool:
        """Whether an operation window wants scheduled runs skipped now; that is an event."""

        def look(session: Session) -> str:
            every = {policy.id: policy for policy in config.policies(session)}
            policy = None if value.policy_id is None else every.get(value.policy_id)
            return not_submitted(session, value.operation, policy, now)

        reason = await self.store.read(look)
        if reason:
            message = f"schedule {value.name} is skipped: {reason}"
            await self._event(value, "schedule.skipped", message, Severity.INFO)
        return bool(reason)

    async def _after_backup(self, value: ScheduleValue) -> None:
        """Runs a schedule when a backup job has come that it has not seen, one run at a time."""

        def look(session: Session) -> datetime | None:
            if any(
                job.policy_id == value.policy_id
                and value.operation in (Operation.AUXCOPY, job.operation)
                for job in jobs.active_jobs(session)
            ):
                return None  # looked at again when it has ended
            newest = ledger.newest_backup_job(session, value.policy_id)
            return ledger.backup_job(session, newest).adopted_at if newest else None

        came_at = await self.store.read(look)
        if came_at is None or came_at == value.seen_at:
            return
        claimed = await self.store.write(
            lambda s: schedules.claim_run(s, value, next_run_at=None, seen_at=came_at)
        )
        if claimed:
            await self._start(value, f"schedule {value.name}")

    async def _is_wanted(self, value: ScheduleValue, due_at: datetime, now: datetime) -> bool:
        """Whether a run that is due is started; one that is late is reported."""
        if (now - due_at).total_seconds() <= GRACE_S / 60:
            return True  # a minute late is the service being busy, not a missed run
        if parse_schedule(value.spec, value.time_zone).kind is ScheduleKind.AUTOMATIC:
            return True  # one look stands for all that did not come
        found = missed(
            value.spec,
            value.time_zone,
            since=due_at - timedelta(microseconds=1),
            now=now,
            start_late=value.start_missed,
        )
        if found.sentence:
            await self._event(
                value,
                "schedule.missed",
                f"schedule {value.name}: {found.sentence}",
                Severity.WARNING,
            )
        return found.start_now

    async def _still_running(self, value: ScheduleValue) -> bool:
        by = f"schedule {value.name}"
        active = await self.store.read(jobs.active_jobs)
        return any(job.initiated_by == by for job in active)

    async def _start(self, value: ScheduleValue, by: str) -> list[int]:
        """Starts the jobs of a schedule; one that is refused is an event, not an end."""
        if value.operation is Operation.AUXCOPY:
            started = await self._start_runs(value, by)
        else:
            started = await self._start_others(value, by)
        if started:
            now = self.clock()
            await self.store.write(lambda s: schedules.note_run(s, value, now))
        return started

    async def _start_runs(self, value: ScheduleValue, by: str) -> list[int]:
        """Starts the auxiliary copies of a schedule, one for each policy."""
        started, refused = [], False
        for policy in await self.store.read(lambda s: _policies_of(s, value)):
            try:
                if await self._has_work(value, policy):
                    started.append(await self.start_run(policy, run_options_of(value), by))
            except AuxError as err:
                refused = True
                await self._event(
                    value,
                    "schedule.refused",
                    f"schedule {value.name} could not run policy {policy}: {err.message}",
                    Severity.ERROR,
                )
        if not refused:
            await self._is_well(value)
        return started

    async def _start_others(self, value: ScheduleValue, by: str) -> list[int]:
        """Starts the verification or aging of a schedule."""
        now, started, refused = self.clock(), [], False
        for payload in await self.store.read(lambda s: due_payloads(s, value, now)):
            try:
                started.append(await self.start_other(value.operation, payload, by))
            except AuxError as err:
                refused = True
                message = f"schedule {value.name} could not run: {err.message}"
                await self._event(value, "schedule.refused", message, Severity.ERROR)
        if not refused:
            await self._is_well(value)
        return started

    async def _has_work(self, value: ScheduleValue, policy: str) -> bool:
        """What looks by itself makes no empty runs, nor a second one beside a running one."""
        kind = parse_schedule(value.spec, value.time_zone).kind
        if kind not in _LOOKS_BY_ITSELF:
            return True
        now, options = self.clock(), run_options_of(value)

        def read(session: Session) -> bool:
            scope = load_scope(session, policy)
            if any(job.policy_id == scope.policy.id for job in jobs.active_jobs(session)):
                return False
            return bool(plan_run(session, scope, options, now, owed_only=True).taken)

        return await self.store.read(read)

    async def _event(
        self, value: ScheduleValue, code: str, message: str, severity: Severity
    ) -> None:
        now = self.clock()

        def write(session: Session) -> None:
            add_event(
                session,
                severity=severity,
                code=code,
                message=message,
                about=value.name,
                policy=_policy_name(session, value),
                now=now,
            )

        await self.store.write(write)

    async def _is_well(self, value: ScheduleValue) -> None:
        """A schedule that runs again is no longer a missed one."""
        now = self.clock()
        message = f"schedule {value.name} has run"

        def stands(session: Session) -> bool:
            return alarms.find(session, AlertKind.MISSED, value.name) is not None

        if await self.store.read(stands):
            await self.store.write(
                lambda s: alarms.clear_alarm(s, AlertKind.MISSED, value.name, message, now)
            )


def _policy_name(session: Session, value: ScheduleValue) -> str:
    every = config.policies(session)
    return next((policy.name for policy in every if policy.id == value.policy_id), "")


def _policies_of(session: Session, value: ScheduleValue) -> list[str]:
    """The policies that a schedule runs; the system schedule runs those with secondary copies."""
    if value.operation != Operation.AUXCOPY:
        return []
    every = config.policies(session)
    if value.policy_id is not None:
        return [policy.name for policy in every if policy.id == value.policy_id]
    return [
        policy.name
        for policy in every
        if any(copy.active and copy.kind != "primary" for copy in config.copies(session, policy.id))
    ]
