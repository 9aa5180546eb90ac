"""Asks the same of many jobs: `auxtui job suspend|resume|kill --all`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from auxtui import format as fmt
from auxtui.asking_order import asking_order
from auxtui.cli.output import say, tell, write_json
from auxtui.cli.terms import Terms, whoami
from auxtui.cli.words import found_name
from engine.model.errors import EXIT_FAILED, EXIT_OK, NotFoundError, UsageError
from engine.model.states import ACTIVE_JOB_STATES, JobState, RequestKind

if TYPE_CHECKING:
    from engine.catalog.live import LiveCatalog
    from engine.catalog.running_values import JobValue

# What can be asked of a job in a state; asking the others would only be refused.
_STATES = {
    RequestKind.SUSPEND: ACTIVE_JOB_STATES - {JobState.SUSPENDED},
    RequestKind.RESUME: frozenset({JobState.SUSPENDED, JobState.PENDING}),
    RequestKind.KILL: ACTIVE_JOB_STATES,
}


def ask_all(terms: Terms, kind: RequestKind, policy: str, said: str) -> int:
    """Files a request for each job that it can be meant for; one that is refused stops no other.

    Args:
        terms: whose CommCell, and how to answer.
        kind: suspend, resume or kill.
        policy: only jobs of this one; empty: of all.
        said: how the answer reads, after the number of jobs.

    Returns:
        The exit code: 1 when one was refused.
    """
    from engine.control import frontdoor

    with terms.live() as live:
        chosen = _chosen(live, kind, policy)
    done: list[int] = []
    refused: list[dict[str, Any]] = []
    for job in chosen:
        try:
            frontdoor.request(terms.home, kind, job.id, {}, by=whoami())
            done.append(job.id)
        except (UsageError, NotFoundError) as err:  # it has ended meanwhile
            refused.append({"job_id": job.id, "error": err.message, "hint": err.hint})
    return _say(terms, done, refused, f"{fmt.count(len(done), 'job')} {said}")


def resubmit_each(terms: Terms, job_ids: Sequence[int]) -> int:
    """Runs ended jobs once more; one that is refused stops no other.

    Returns:
        The exit code: 1 when one was refused.
    """
    from engine.control import frontdoor

    done: list[int] = []
    refused: list[dict[str, Any]] = []
    for job_id in job_ids:
        try:
            done.append(frontdoor.resubmit(terms.home, job_id, by=whoami()))
        except (UsageError, NotFoundError) as err:
            refused.append({"job_id": job_id, "error": err.message, "hint": err.hint})
    return _say(terms, done, refused, "\n".join(str(job_id) for job_id in done))


def _say(terms: Terms, done: list[int], refused: list[dict[str, Any]], said: str) -> int:
    if terms.as_json:
        _write_document(terms, done, refused)
    else:
        for line in said.splitlines():
            say(line)
        for each in refused:
            tell(f"{each['error']}; {each['hint']}" if each["hint"] else each["error"])
    return EXIT_FAILED if refused else EXIT_OK


def _chosen(live: LiveCatalog, kind: RequestKind, policy: str) -> list[JobValue]:
    if policy:
        found_name(policy, [each.name for each in live.estate().policies], "policy")
    found = [
        job
        for job in live.active_jobs()
        if job.state in _STATES[kind] and policy in ("", job.policy)
    ]
    return asking_order(kind, found)


def _write_document(terms: Terms, done: list[int], refused: list[dict[str, Any]]) -> None:
    from engine.catalog.live_documents import job_document

    with terms.live() as live:
        jobs = live.jobs_by_id(done)
    documents = [job_document(jobs[job_id]) for job_id in done if job_id in jobs]
    write_json({"jobs": documents, "refused": refused})
