"""The front door's part for verification, repair, aging and promotion; consoles call `frontdoor`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.control.asking import request
from engine.model.clock import system_clock
from engine.model.names import refuse_unwritable
from engine.model.states import Operation, RequestKind
from engine.operations.aging_decision import decide_aging, decision_document, policies_of
from engine.operations.holders import HolderLook, find_holders


def run_operation(home: Home, operation: Operation, payload: dict[str, Any], *, by: str) -> int:
    """Starts a job of an operation; returns its id.

    Raises:
        UsageError, NotFoundError: refused; nothing was changed.
    """
    asked = {**payload, "operation": operation.value}
    return int(request(home, RequestKind.RUN, None, asked, by=by)["job_id"])


def run_verification(
    home: Home,
    policy: str,
    copy: str | None,
    which: str,
    *,
    by: str,
    priority: int = 5,
    throttle_bps: int | None = None,
    backup_jobs: Sequence[int] = (),
) -> int:
    """Starts data verification; returns its job id.

    Args:
        home: whose.
        policy: of the copies.
        copy: this one only; None: all that lie in libraries.
        which: `new` (never verified), `expired`, `all`, or `due` (what the copies' own rules want).
        by: who asks.
        priority: 0 (first) to 9.
        throttle_bps: bytes per second; None: the copies' own limit.
        backup_jobs: of these only, on the copy that is named; empty: of every one.

    Raises:
        UsageError, NotFoundError: refused.
    """
    payload = {
        "policy": policy,
        "copy": copy,
        "which": which,
        "priority": priority,
        "throttle_bps": throttle_bps,
        "backup_jobs": list(backup_jobs),
    }
    return run_operation(home, Operation.VERIFICATION, payload, by=by)


def run_backup(
    home: Home, subclient: str, *, level: str | None = None, accept: bool = False, by: str
) -> int:
    """Starts a backup of a subclient's content; returns its job id, which the backup job has too.

    Args:
        home: whose.
        subclient: `client/subclient`.
        level: full or incremental; None: as the subclient says.
        accept: what is found is believed, however little it is.
        by: who asks.

    Raises:
        UsageError: it adopts what others write.
        NotFoundError: no such subclient.
    """
    refuse_unwritable(subclient)
    payload = {"subclient": subclient, "level": level, "accept": accept}
    return run_operation(home, Operation.BACKUP, payload, by=by)


def repair(home: Home, policy: str, copy: str, backup_jobs: Sequence[int], *, by: str) -> int:
    """Starts the repair of job copies from any good copy; returns its job id.

    Raises:
        UsageError: they are not on this copy, lie in a landing directory, or nothing could give
            them back.
        NotFoundError: no such policy, copy or backup job.
    """
    payload = {"policy": policy, "copy": copy, "backup_jobs": list(backup_jobs)}
    return run_operation(home, Operation.REPAIR, payload, by=by)


def run_aging(
    home: Home, *, dry_run: bool, policy: str | None = None, by: str, confirm: bool = False
) -> int:
    """Starts data aging; returns its job id. What would go, or went, is the plan of the job.

    Args:
        home: whose.
        dry_run: decides and says, deletes nothing.
        policy: of this policy only.
        by: who asks.
        confirm: the deletion fuse was seen, and this much shall go.

    Raises:
        NotFoundError: no such policy.
    """
    payload = {"policy": policy, "dry_run": dry_run, "confirm": confirm}
    return run_operation(home, Operation.AGING, payload, by=by)


def preview_aging(home: Home, *, policy: str | None = None) -> dict[str, Any]:
    """What data aging would do now; changes nothing and needs no service.

    Returns:
        `fuses` that would stop it, and `job_copies`: each with `ages`, `reason`, `retained_by`.

    Raises:
        NotFoundError: no such policy.
    """
    now = system_clock()
    catalog = open_catalog(home)
    try:
        with catalog.read() as session:
            decisions = [
                decide_aging(session, home, one.name, now, confirmed=False)
                for one in policies_of(session, policy)
            ]
            for decision in decisions:
                find_holders(session, home, decision)
    finally:
        catalog.close()
    look = HolderLook(home.path)
    for decision in decisions:
        look.leave_unproved(decision)
    return decision_document(decisions, dry_run=True)


def release(home: Home, policy: str, *, by: str, copy: str | None = None) -> list[dict[str, Any]]:
    """Gives up what copies still wait for, where nothing but that keeps it on its source.

    Args:
        home: whose.
        policy: which.
        by: who decides; it is logged.
        copy: only what this copy waits for.

    Returns:
        Each release: `backup_job_id`, `copy` that gives it up, `held_on`.

    Raises:
        NotFoundError: no such policy or copy.
    """
    answer = request(home, RequestKind.RELEASE, None, {"policy": policy, "copy": copy}, by=by)
    return list(answer["released"])


def retain(
    home: Home,
    policy: str,
    copy: str,
    backup_jobs: Sequence[int],
    *,
    by: str,
    until: datetime | None = None,
    end: bool = False,
) -> None:
    """Keeps job copies beyond their retention, until a time or for good; or ends that.

    Raises:
        UsageError, NotFoundError: refused.
    """
    payload = {
        "policy": policy,
        "copy": copy,
        "backup_jobs": list(backup_jobs),
        "until": None if until is None else until.isoformat(),
        "end": end,
    }
    request(home, RequestKind.RETAIN, None, payload, by=by)


def promote(home: Home, policy: str, copy: str, *, by: str) -> dict[str, Any]:
    """Makes a synchronous copy the primary; the old primary becomes a synchronous copy of it.

    Returns:
        `primary`, `was`, and `note`: what is to be known about it.

    Raises:
        UsageError: it is selective, the primary already, lacks on its media what it should have,
            or jobs run on the policy.
        LibraryOffline: its library cannot be looked at.
        NotFoundError: no such policy or copy.
    """
    from engine.operations.promotion import look_at_media, promised  # libraries: not at every start

    refuse_unwritable(policy, copy)
    with open_catalog(home) as catalog, catalog.read() as session:
        wanted = promised(session, policy, copy)
    look_at_media(wanted)  # here: a library that hangs must not hold up the service
    return request(home, RequestKind.PROMOTE, None, {"policy": policy, "copy": copy}, by=by)
