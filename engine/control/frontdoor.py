"""What consoles and command lines call: blocking, short, and the same for both.

Nothing here moves data. A call reads the catalog, or files a request and waits for the service's
answer; the service is started when it is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.catalog import config, jobs, ledger, service_state
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.catalog.values import JobValue
from engine.control.admission import hold_of
from engine.control.asking import POLL_S
from engine.control.asking import ensure_service as ensure_service
from engine.control.asking import request as request
from engine.control.browsing import BrowseEntry as BrowseEntry
from engine.control.browsing import browse as browse
from engine.control.configuring import apply_edit as apply_edit
from engine.control.configuring import apply_text as apply_text
from engine.control.configuring import new_copy_question as new_copy_question
from engine.control.configuring import site_document as site_document
from engine.control.configuring import try_edit as try_edit
from engine.control.ending import terminate_holder
from engine.control.lock import is_held, read_holder
from engine.control.rebuilding import rebuild as rebuild
from engine.control.restoring import RestorePreview as RestorePreview
from engine.control.restoring import preview_restore as preview_restore
from engine.control.restoring import run_restore as run_restore
from engine.control.upkeep import preview_aging as preview_aging
from engine.control.upkeep import promote as promote
from engine.control.upkeep import release as release
from engine.control.upkeep import repair as repair
from engine.control.upkeep import retain as retain
from engine.control.upkeep import run_aging as run_aging
from engine.control.upkeep import run_backup as run_backup
from engine.control.upkeep import run_verification as run_verification
from engine.model.clock import Clock, system_clock
from engine.model.errors import (
    AuxError,
    ServiceError,
    UsageError,
)
from engine.model.names import refuse_unwritable
from engine.model.states import JobState, Operation, RequestKind
from engine.operations.coming_back import ComingBack as ComingBack
from engine.operations.expecting import held_sentence
from engine.operations.options import check_options, options_to_json, refuse_unknown_alert
from engine.operations.plandocument import plan_document, verdict_document
from engine.operations.planning import load_scope, plan_run
from engine.operations.restore_request import BEGUN
from engine.policy.values import RunOptions

STOP_ANSWER_S = 5.0  # then the service is stopped by a signal


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """What is known about the service of a home."""

    running: bool
    pid: int | None
    host: str
    since: datetime | None
    heartbeat_at: datetime | None
    epoch: int
    version: str
    state: str
    """running, stopped, or died: it ended without saying so."""


def service_status(home: Home) -> ServiceStatus:
    """Whether a service runs on this home, decided by its lock and not by what it wrote."""
    held, holder = is_held(home.service_lock), read_holder(home.service_lock)
    catalog = open_catalog(home)
    try:
        with catalog.read() as session:
            row = service_state.service(session)
    finally:
        catalog.close()
    state = "running" if held else "stopped" if row.state == "stopped" else "died"
    return ServiceStatus(
        running=held,
        pid=(holder.pid if holder else row.pid) if held else None,
        host=row.host,
        since=row.started_at,
        heartbeat_at=row.heartbeat_at,
        epoch=row.epoch,
        version=row.version,
        state=state,
    )


def stop_service(home: Home, *, by: str, timeout_s: float = 15.0) -> bool:
    """Asks the service to stop at a boundary and waits for its end; False when none runs.

    A service that cannot be asked, because its catalog is damaged or of another version, or that
    does not answer, gets SIGTERM, which means the same to it.

    Raises:
        ServiceError: it cannot be told which process it is, or it did not end in time.
    """
    if not is_held(home.service_lock):
        return False
    try:
        request(home, RequestKind.STOP_SERVICE, None, {}, by=by, timeout_s=STOP_ANSWER_S)
    except AuxError:
        if is_held(home.service_lock):
            terminate_holder(home.service_lock)
    deadline_mono_s = time.monotonic() + timeout_s
    while is_held(home.service_lock):
        if time.monotonic() > deadline_mono_s:
            raise ServiceError(
                f"the service has not ended within {timeout_s:.0f} s",
                hint="a device may hang; look at its log, then at `ps` for state D",
            )
        time.sleep(POLL_S)
    return True


def run_auxcopy(home: Home, policy: str, options: RunOptions, *, by: str) -> int:
    """Starts an auxiliary copy; returns its job id.

    Raises:
        UsageError, NotFoundError: the service refused it; nothing was changed.
    """
    check_options(options)
    refuse_unwritable(policy, *options.copies, options.source_media_agent, options.alert)
    payload = {
        "operation": Operation.AUXCOPY.value,
        "policy": policy,
        "options": options_to_json(options),
    }
    return int(request(home, RequestKind.RUN, None, payload, by=by)["job_id"])


def held_back(home: Home, job_id: int, clock: Clock = system_clock) -> str:
    """Why a job does not begin now, and until when, in a sentence; empty when it may, or has."""
    with open_catalog(home) as catalog, catalog.read() as session:
        job = jobs.load_job(session, job_id)
        if job.state is JobState.SUSPENDED:
            return "suspended; it begins when it is resumed"
        if job.state not in (JobState.WAITING, JobState.QUEUED):
            return ""
        zone = config.commcell(session).time_zone
        if job.state is JobState.QUEUED:  # the service has looked at it, also at its subclients
            return held_sentence(job.reason, job.until, zone)
        held = hold_of(session, job, clock())
    return "" if held is None else held_sentence(held.reason, held.until, zone)


def run_scan(home: Home, subclient: str | None, *, by: str, accept: bool = False) -> dict[str, Any]:
    """Adopts what has settled in the landing directories; says what was left and why."""
    refuse_unwritable(subclient or "")
    payload = {"subclient": subclient, "accept": accept}
    return request(home, RequestKind.SCAN, None, payload, by=by, timeout_s=600.0)


def decide(
    home: Home, policy: str, copy: str, backup_jobs: Sequence[int], decision: str, *, by: str
) -> dict[str, Any]:
    """Records an operator's word on job copies: picked, do_not_copy, recopy, bad or empty."""
    refuse_unwritable(policy, copy)
    payload = {
        "policy": policy,
        "copy": copy,
        "backup_jobs": list(backup_jobs),
        "decision": decision,
    }
    return request(home, RequestKind.DECIDE, None, payload, by=by)


def prioritise(
    home: Home, policy: str, copy: str, backup_jobs: Sequence[int], priority: int, *, by: str
) -> None:
    """Sets the place of backup jobs in the next run to a copy.

    Args:
        priority: 0 (first) to 9 (last).

    Raises:
        UsageError, NotFoundError: refused; nothing was changed.
    """
    refuse_unwritable(policy, copy)
    payload = {
        "policy": policy,
        "copy": copy,
        "backup_jobs": list(backup_jobs),
        "priority": priority,
    }
    request(home, RequestKind.DECIDE, None, payload, by=by)


def schedule(home: Home, name: str, act: str, *, by: str) -> list[int]:
    """Runs, enables or disables a schedule; returns the ids of jobs that were started.

    Args:
        act: run, enable or disable.

    Raises:
        NotFoundError: there is no such schedule.
    """
    refuse_unwritable(name)
    payload = {"name": name, "act": act}
    answer = request(home, RequestKind.SCHEDULE, None, payload, by=by)
    return [int(job_id) for job_id in answer.get("job_ids", [])]


def switch_activity(
    home: Home, node: str, *, on: bool, by: str, off_until: datetime | None = None
) -> bool:
    """Switches operations on a node and all below it off or on; False when it was so already.

    Args:
        node: `commcell`, `media_agents.X`, `clients.X` or `clients.X.subclients.Y`.
        off_until: aware; when it is on again by itself. None: until somebody switches it on.

    Raises:
        NotFoundError: there is no such node.
        UsageError: the time is past.
    """
    refuse_unwritable(node)
    until = None if off_until is None else off_until.isoformat()
    payload = {"node": node, "on": on, "off_until": until}
    return bool(request(home, RequestKind.ACTIVITY, None, payload, by=by)["changed"])


def clear_alarms(home: Home, ids: Sequence[int] | None, *, by: str) -> list[int]:
    """Says that alarms are dealt with; returns the ids of those that were cleared.

    Args:
        ids: which; None: all that stand.

    Raises:
        NotFoundError: one of them does not stand; nothing was changed.
    """
    payload = {"alarms": None if ids is None else list(ids)}
    answer = request(home, RequestKind.CLEAR_ALARMS, None, payload, by=by)
    return [int(each) for each in answer["alarms"]]


def resubmit(home: Home, job_id: int, *, by: str) -> int:
    """Runs an ended job once more with the same options; returns the new job id.

    Raises:
        UsageError: it has not ended, or what it did is nothing to be done again.
    """
    job = load_job(home, job_id)
    if not JobState(job.state).is_final:
        raise UsageError(f"job {job_id} is {job.state}: only an ended job can be resubmitted")
    payload: dict[str, Any] = {"operation": job.operation, "policy": job.policy}
    if job.operation is Operation.AUXCOPY:
        # Asked for again is wanted now.
        payload["options"] = {**job.options, "start_suspended": False}
    else:
        payload |= job.options
    if job.operation is Operation.RESTORE:
        # What it had made itself is not in the way of going on; once complete, it is the user's.
        payload[BEGUN] = job.state is not JobState.COMPLETED and bool(job.options.get(BEGUN))
    if job.operation is Operation.REPAIR:
        payload["copy"] = job.copies[0]
    if job.operation is Operation.AGING:
        payload["confirm"] = False  # a fuse that was overruled once stops and asks again
    return int(request(home, RequestKind.RUN, None, payload, by=by)["job_id"])


def preview(home: Home, policy: str, options: RunOptions) -> dict[str, Any]:
    """The plan of a run as it would be now; changes nothing and needs no service.

    Raises:
        UsageError, NotFoundError: the run would be refused.
    """
    check_options(options)
    refuse_unwritable(policy, *options.copies, options.source_media_agent, options.alert)
    catalog = open_catalog(home)
    try:
        with catalog.read() as session:
            scope = load_scope(session, policy)
            refuse_unknown_alert(session, options)
            now = system_clock()
            plan = plan_run(session, scope, options, now)
            return plan_document(session, scope, plan, options, now)
    finally:
        catalog.close()


def verdict_on(home: Home, policy: str, copy: str, backup_job_id: int) -> dict[str, Any] | None:
    """What a run of one copy would do with one backup job, as a line of `preview`; None: nothing.

    Raises:
        UsageError, NotFoundError: the run would be refused, or there is no such backup job.
    """
    refuse_unwritable(policy, copy)
    catalog = open_catalog(home)
    try:
        with catalog.read() as session:
            scope = load_scope(session, policy)
            job = ledger.backup_job(session, backup_job_id)
            options = RunOptions(copies=(copy,))
            plan = plan_run(session, scope, options, system_clock(), only=job)
            return verdict_document(session, scope, plan, job)
    finally:
        catalog.close()


def load_job(home: Home, job_id: int) -> JobValue:
    """A job as it is now.

    Raises:
        NotFoundError: there is none of that id.
    """
    catalog = open_catalog(home)
    try:
        with catalog.read() as session:
            return jobs.load_job(session, job_id)
    finally:
        catalog.close()


def wait_for_job(
    home: Home,
    job_id: int,
    on_change: Callable[[JobValue], None] | None = None,
    *,
    interval_s: float = 0.1,
) -> JobValue:
    """Waits until a job has ended; starts the service again should it die meanwhile.

    Args:
        on_change: called with the job each time that it has changed.
    """
    catalog = open_catalog(home)
    last: JobValue | None = None
    try:
        while True:
            with catalog.read() as session:
                job = jobs.load_job(session, job_id)
            if job != last and on_change is not None:
                on_change(job)
            last = job
            if JobState(job.state).is_final:
                return job
            if not is_held(home.service_lock):
                ensure_service(home)
            time.sleep(interval_s)
    finally:
        catalog.close()
