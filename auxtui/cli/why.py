"""`auxtui why`: one sentence on a backup job and a copy, and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui.cli.completing import copy_names
from auxtui.cli.copies import chosen_copies
from auxtui.cli.output import say, write_json
from auxtui.cli.terms import HomeOption, JsonOption, Terms, terms_of
from auxtui.cli.times import Times
from auxtui.cli.words import policy_and_copy
from engine.catalog.live_values import LiveBackupJob, LiveCopy, LiveJobCopy
from engine.model.errors import NotFoundError, UsageError
from engine.model.names import shown
from engine.model.states import LAST_FAILED, CopyKind, JobCopyState

if TYPE_CHECKING:
    from engine.catalog.live import LiveCatalog

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_NOT_ASKED_AGAIN = frozenset({JobCopyState.AVAILABLE, JobCopyState.AGED, JobCopyState.BAD})


@app.command()
def why(
    ctx: typer.Context,
    backup_job: Annotated[
        int, typer.Argument(metavar="JOB", min=1, max=2**63 - 1, help="The backup job.")
    ],
    name: Annotated[
        str, typer.Argument(metavar="POLICY/COPY", help="The copy.", autocompletion=copy_names)
    ],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a backup job is, or is not, on a copy: one sentence and the next step."""
    terms = terms_of(ctx, home, as_json)
    policy, copy = policy_and_copy(name)
    if not copy:
        raise UsageError(
            f'"{shown(name)}" names no copy', hint="POLICY/COPY, e.g. databases/offsite"
        )
    with terms.live() as live:
        target = chosen_copies(live, policy, copy)[0]
        job = _backup_job_of(live, backup_job, policy)
        line = live.job_copies_by_id(target.id, [backup_job]).get(backup_job)
    document = _answer(terms, job, target, line)
    if terms.as_json:
        write_json(document)
        return
    say(document["sentence"])
    if document["next_step"]:
        say(document["next_step"])


def _backup_job_of(live: LiveCatalog, number: int, policy: str) -> LiveBackupJob:
    job = live.backup_job(number)
    if job.policy != policy:
        raise NotFoundError(
            f"backup job {number} belongs to policy {shown(job.policy)}, not to {shown(policy)}",
            hint=f"ask for {shown(job.policy)}/COPY",
        )
    return job


def _answer(
    terms: Terms, job: LiveBackupJob, copy: LiveCopy, line: LiveJobCopy | None
) -> dict[str, Any]:
    state = line.state if line else ""
    reason = line.reason if line else ""
    next_step = line.next_step if line else ""
    if state not in _NOT_ASKED_AGAIN and copy.kind != CopyKind.PRIMARY and copy.active:
        state, reason, next_step = _as_planned(terms, job, copy, state, reason, next_step)
    if not copy.active and state != JobCopyState.AVAILABLE:
        reason = f"copy {copy.name} is not active: it gets nothing from a run"
        next_step = "set active = true in the site file and apply it"
    subject = f"backup job {job.id} ({shown(job.client)}/{shown(job.subclient)})"
    where = f"{shown(copy.policy)}/{shown(copy.name)}"
    return {
        "backup_job_id": job.id,
        "policy": copy.policy,
        "copy": copy.name,
        "state": state or None,
        "reason": reason,
        "next_step": next_step,
        "sentence": _sentence(f"{subject} on {where}", state, reason, line, terms.times()),
    }


def _as_planned(
    terms: Terms, job: LiveBackupJob, copy: LiveCopy, state: str, reason: str, next_step: str
) -> tuple[str, str, str]:
    """What a run would say now: the ledger's words may be as old as the last one."""
    from engine.control import frontdoor

    planned = frontdoor.verdict_on(terms.home, copy.policy, copy.name, job.id)
    if planned is None:
        return state, reason or "no rule of the copy concerns it", next_step
    if planned["taken"]:
        step = f"the next run copies it: auxtui auxcopy {copy.policy}"
        if planned["reason"].startswith(LAST_FAILED) and next_step:
            step = f"{next_step}; {step}"
        return state or JobCopyState.TO_BE_COPIED, planned["reason"], step
    return state, planned["reason"], planned["next_step"] or next_step


def _sentence(subject: str, state: str, reason: str, line: LiveJobCopy | None, times: Times) -> str:
    if state == JobCopyState.AVAILABLE:
        since = f" since {times.named(line.copied_at)}" if line and line.copied_at else ""
        told = f"; {reason}" if reason else ""
        return f"{subject} is available{since}{told}"
    words = state.replace("_", " ") if state else "not there"
    return f"{subject} is {words}: {reason}" if reason else f"{subject} is {words}"
