"""What consoles and command lines ask for: validated, done within 250 ms, answered in place."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from sqlmodel import Session

from engine.catalog import activity, config, jobs, requests, schedules
from engine.catalog.events import add_event
from engine.catalog.values import JobValue, RequestValue
from engine.control import newjobs
from engine.control.admission import check_node
from engine.control.conflicts import run_in_the_way
from engine.control.controller import Controller
from engine.control.scheduler import Scheduler
from engine.control.silence import clear_by_operator
from engine.model.errors import (
    EXIT_FAILED,
    AuxError,
    JobStateError,
    NotFoundError,
    UsageError,
)
from engine.model.names import shown
from engine.model.states import CopyKind, JobState, Operation, RequestKind, Severity
from engine.operations import releasing
from engine.operations.as_of import refuse_past
from engine.operations.deciding import decide, prioritise, settle_policy
from engine.operations.options import options_from_json, options_to_json, refuse_unknown_alert
from engine.operations.planning import chosen_copies, load_scope
from engine.operations.promotion import promote
from engine.operations.restore_request import check_restore
from engine.operations.scan import scan_policy_landings
from engine.policy.values import RunOptions

log = logging.getLogger(__name__)

Answer = dict[str, Any]


class Requests:
    """Acts on filed requests, one after the other, in the order in which they were filed."""

    def __init__(self, controller: Controller, stop_service: Callable[[], None]) -> None:
        self.controller = controller
        self.scheduler = Scheduler(
            controller.store, controller.clock, self.start_run, self.start_other
        )
        self._stop_service = stop_service
        self._acts: dict[str, Callable[[RequestValue], Awaitable[Answer]]] = {
            RequestKind.RUN: self._run,
            RequestKind.SUSPEND: self._suspend,
            RequestKind.RESUME: self._resume,
            RequestKind.KILL: self._kill,
            RequestKind.PRIORITY: self._priority,
            RequestKind.THROTTLE: self._throttle,
            RequestKind.SCAN: self._scan,
            RequestKind.DECIDE: self._decide,
            RequestKind.SCHEDULE: self._schedule,
            RequestKind.ACTIVITY: self._activity,
            RequestKind.RELEASE: self._release,
            RequestKind.RETAIN: self._retain,
            RequestKind.PROMOTE: self._promote,
            RequestKind.CLEAR_ALARMS: self._clear_alarms,
            RequestKind.STOP_SERVICE: self._stop,
        }

    async def serve(self) -> int:
        """Answers everything that is filed now; returns how many it were."""
        store = self.controller.store
        filed = await store.read(requests.filed)
        for request in filed:
            done, answer = await self._answer(request)
            now = self.controller.clock()
            await store.write(
                partial(requests.answer, request_id=request.id, done=done, answer=answer, now=now)
            )
        return len(filed)

    async def _answer(self, request: RequestValue) -> tuple[bool, Answer]:
        act = self._acts.get(request.kind)
        if act is None:
            return False, _refusal(UsageError(f"unknown request {request.kind!r}"))
        try:
            return True, await act(request)
        except AuxError as err:
            return False, _refusal(err)
        except Exception:
            log.exception("request %s (%s) ended by a bug", request.id, request.kind)
            return False, {
                "error": f"internal error while answering the request {request.kind}",
                "hint": "the service's log has the details",
                "exit_code": EXIT_FAILED,
            }

    async def start_run(
        self, policy: str, options: RunOptions, by: str, *, answers: int | None = None
    ) -> int:
        """Starts an auxiliary copy; returns its job id.

        Args:
            answers: the request that is answered by it, in the transaction that makes the job:
                a crash after it cannot make the service act on the request twice.

        Raises:
            UsageError, NotFoundError: refused.
        """
        job_id = await self._create_auxcopy(policy, options, by, answers)
        if not options.start_suspended:
            self.controller.start(job_id)
        return job_id

    async def _run(self, request: RequestValue) -> Answer:
        operation = Operation(str(request.payload.get("operation", Operation.AUXCOPY)))
        if operation is Operation.AUXCOPY:
            policy = str(request.payload.get("policy", ""))
            options = options_from_json(dict(request.payload.get("options", {})))
            return {"job_id": await self.start_run(policy, options, request.by, answers=request.id)}
        if operation in newjobs.CHECKS:
            return {
                "job_id": await self.start_other(operation, request.payload, request.by, request.id)
            }
        if operation is not Operation.RESTORE:
            raise UsageError(f"the operation {operation} cannot be run")
        job_id = await self._create_restore(request)
        self.controller.start(job_id)
        return {"job_id": job_id}

    async def start_other(
        self, operation: Operation, payload: Answer, by: str, answers: int | None = None
    ) -> int:
        """Starts a job of verification, repair or aging; see `start_run`."""
        now = self.controller.clock()
        job_id = await self.controller.store.write(
            lambda s: newjobs.create(s, operation, payload, by=by, now=now, answers=answers)
        )
        self.controller.start(job_id)
        return job_id

    async def _create_auxcopy(
        self, policy: str, options: RunOptions, by: str, answers: int | None
    ) -> int:
        now = self.controller.clock()

        def create(session: Any) -> int:
            scope = load_scope(session, policy)
            refuse_unknown_alert(session, options)
            copies = [copy.name for copy in chosen_copies(scope, options)]
            agents = {name for name, _ in scope.agents.values()}
            if options.source_media_agent and options.source_media_agent not in agents:
                raise NotFoundError(
                    f"there is no MediaAgent {options.source_media_agent}",
                    hint=f"known: {', '.join(sorted(agents))}",
                )
            suspended = options.start_suspended
            if not suspended and not config.commcell(session).queue_conflicting_auxcopy_jobs:
                _refuse_conflict(session, scope.policy.id, copies)
            job_id = jobs.create_job(
                session,
                operation=Operation.AUXCOPY,
                policy_id=scope.policy.id,
                policy=scope.policy.name,
                copies=copies,
                options=options_to_json(options),
                description=options.description,
                priority=options.priority,
                initiated_by=by,
                state=JobState.SUSPENDED if suspended else JobState.WAITING,
                reason="as asked at its start; resume begins it" if suspended else "",
                throttle_bps=options.throttle_bps,
                now=now,
            )
            if suspended:
                jobs.update_job(session, job_id, desired="suspend")
            if answers is not None:
                requests.answer(session, answers, done=True, answer={"job_id": job_id}, now=now)
            return job_id

        return await self.controller.store.write(create)

    async def _create_restore(self, request: RequestValue) -> int:
        now = self.controller.clock()

        def create(session: Any) -> int:
            options, policy_id, policy, copies = check_restore(
                session, self.controller.home, request.payload
            )
            job_id = jobs.create_job(
                session,
                operation=Operation.RESTORE,
                policy_id=policy_id,
                policy=policy,
                copies=copies,
                options=options,
                description="",
                priority=5,
                initiated_by=request.by,
                state=JobState.WAITING,
                reason="",
                throttle_bps=None,
                now=now,
            )
            requests.answer(session, request.id, done=True, answer={"job_id": job_id}, now=now)
            return job_id

        return await self.controller.store.write(create)

    async def _suspend(self, request: RequestValue) -> Answer:
        job = await self._active(request, "suspended")
        await self.controller.suspend(job)
        return {"job_id": job.id}

    async def _resume(self, request: RequestValue) -> Answer:
        job = await self._active(request, "resumed")
        await self.controller.resume(job)
        return {"job_id": job.id}

    async def _kill(self, request: RequestValue) -> Answer:
        job = await self._active(request, "killed")
        await self.controller.kill(job)
        return {"job_id": job.id}

    async def _priority(self, request: RequestValue) -> Answer:
        job = await self._active(request, "given another priority")
        priority = _checked_priority(request.payload.get("priority"))
        await self.controller.set_priority(job, priority)
        return {"job_id": job.id}

    async def _throttle(self, request: RequestValue) -> Answer:
        job = await self._active(request, "throttled")
        rate_bps = request.payload.get("throttle_bps")
        if rate_bps is not None and (not isinstance(rate_bps, int) or rate_bps < 1):
            raise UsageError(
                f"a limit of {rate_bps!r} bytes per second is not possible",
                hint="at least 1 byte per second, or none",
            )
        await self.controller.store.write(
            lambda s: jobs.update_job(s, job.id, throttle_bps=rate_bps)
        )
        self.controller.set_throttle(job.id, rate_bps)
        return {"job_id": job.id}

    async def _scan(self, request: RequestValue) -> Answer:
        controller = self.controller
        name = request.payload.get("subclient")
        return await scan_policy_landings(
            controller.store,
            controller.home,
            controller.clock,
            only=None if name is None else str(name),
            accept=bool(request.payload.get("accept", False)),
        )

    async def _decide(self, request: RequestValue) -> Answer:
        """An operator's word on job copies: picked, do_not_copy, recopy, bad, none, or a priority."""
        payload, now = request.payload, self.controller.clock()
        ids = [int(backup_job_id) for backup_job_id in payload.get("backup_jobs", [])]
        decision, priority = str(payload.get("decision", "")), payload.get("priority")

        def write(session: Any) -> None:
            policy = config.policy(session, str(payload.get("policy", "")))
            named = {copy.name: copy for copy in config.copies(session, policy.id)}
            name = str(payload.get("copy", ""))
            if name not in named:
                raise NotFoundError(
                    f"policy {policy.name} has no copy {name}",
                    hint=f"its copies: {', '.join(sorted(named))}",
                )
            copy = named[name]
            if copy.kind == CopyKind.PRIMARY and decision != "bad":
                raise UsageError(f"{name} is the primary copy: nothing is copied to it")
            for backup_job_id in ids:
                if priority is None:
                    decide(session, copy, backup_job_id, decision, request.by, now)
                else:
                    prioritise(session, copy, backup_job_id, _checked_priority(priority))
            settle_policy(session, policy.name, now)

        await self.controller.store.write(write)
        return {"backup_jobs": ids}

    async def _schedule(self, request: RequestValue) -> Answer:
        """Runs, enables or disables a schedule."""
        name, act = str(request.payload.get("name", "")), request.payload.get("act")
        if act == "run":
            return {"job_ids": await self.scheduler.run_now(name, request.by)}
        if act not in ("enable", "disable"):
            raise UsageError(f"{act!r} is nothing to do with a schedule")
        now = self.controller.clock()

        def write(session: Any) -> None:
            schedules.set_enabled(session, name, enabled=act == "enable")
            add_event(
                session,
                severity=Severity.INFO,
                code=f"schedule.{act}d",
                message=f"schedule {shown(name)} was {act}d by {shown(request.by)}",
                now=now,
            )

        await self.controller.store.write(write)
        return {}

    async def _activity(self, request: RequestValue) -> Answer:
        """Switches operations off or on for a node and all below it."""
        payload, now = request.payload, self.controller.clock()
        node = str(payload.get("node", ""))
        text = payload.get("off_until")
        until = None if text is None else datetime.fromisoformat(str(text))

        def write(session: Any) -> bool:
            check_node(session, node)
            refuse_past(session, until, now)
            is_on = bool(payload.get("on"))
            if is_on and not activity.switch_on(session, node):
                return False
            if not is_on:
                activity.switch_off(session, node, off_until=until, by=request.by, now=now)
            word = "on" if is_on else "off"
            add_event(
                session,
                severity=Severity.INFO if is_on else Severity.WARNING,
                code=f"activity.{word}",
                message=f"operations on {shown(node)} were switched {word} by {shown(request.by)}",
                now=now,
            )
            return True

        changed = await self.controller.store.write(write)
        self.controller.look_again()
        return {"changed": changed}

    async def _release(self, request: RequestValue) -> Answer:
        now = self.controller.clock()
        released = await self.controller.store.write(
            lambda s: releasing.release(s, request.payload, request.by, now)
        )
        return {"released": released}

    async def _retain(self, request: RequestValue) -> Answer:
        now = self.controller.clock()
        await self.controller.store.write(
            lambda s: releasing.retain(s, request.payload, request.by, now)
        )
        return {}

    async def _promote(self, request: RequestValue) -> Answer:
        now = self.controller.clock()
        return await self.controller.store.write(
            lambda s: promote(s, request.payload, request.by, now)
        )

    async def _clear_alarms(self, request: RequestValue) -> Answer:
        """An operator says that alarms are dealt with; those who were told are told that."""
        now = self.controller.clock()
        named = request.payload.get("alarms")
        cleared = await self.controller.store.write(
            lambda s: clear_by_operator(s, named, request.by, now)
        )
        return {"alarms": cleared}

    async def _stop(self, _request: RequestValue) -> Answer:
        self._stop_service()
        return {}

    async def _active(self, request: RequestValue, done: str) -> JobValue:
        """The job of a request.

        Raises:
            NotFoundError: there is no such job.
            JobStateError: it has ended.
        """
        if request.job_id is None:
            raise UsageError(f"the request {request.kind} names no job")
        job_id = request.job_id
        job = await self.controller.store.read(lambda s: jobs.load_job(s, job_id))
        if JobState(job.state).is_final:
            words = job.state.replace("_", " ")
            raise JobStateError(f"job {job.id} has ended ({words}): it cannot be {done}")
        return job


def _checked_priority(priority: object) -> int:
    """A priority of a request.

    Raises:
        UsageError: not a whole number from 0 to 9.
    """
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 9:
        raise UsageError(f"priority {priority!r} is not possible", hint="0 (first) to 9 (last)")
    return priority


def _refuse_conflict(session: Session, policy_id: int, copies: list[str]) -> None:
    """Refuses a run that would wait for another one.

    Raises:
        UsageError: names the other run.
    """
    found = run_in_the_way(policy_id, copies, jobs.active_jobs(session))
    if found:
        raise UsageError(
            f"{found}: a conflicting run is refused here",
            hint="start it when that one has ended, or set queue_conflicting_auxcopy_jobs = true",
        )


def _refusal(error: AuxError) -> Answer:
    return {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}
