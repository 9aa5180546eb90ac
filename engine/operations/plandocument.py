"""The plan as a document: the preview, `--dry-run`, and the record of a job are this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, overload

from sqlmodel import Session

from engine.catalog import config, ledger
from engine.catalog.values import BackupJobName, BackupJobValue
from engine.operations.expecting import expectation
from engine.operations.planning import Scope, chosen_copies
from engine.operations.routing import Lane, Routes, idle_streams, streams_of_work
from engine.policy.plan import Plan
from engine.policy.streams import StreamNumber
from engine.policy.values import PlanLine, RunOptions, Verdict


def plan_document(
    session: Session, scope: Scope, plan: Plan, options: RunOptions, now: datetime
) -> dict[str, Any]:
    """The plan as the JSON document of the command line, with totals per copy."""
    names = {copy.id: copy.name for copy in scope.copies.values()}
    routes = Routes.of(scope, options)
    streams = expected_streams(scope, plan, options)
    return {
        "policy": scope.policy.name,
        "copies": [copy.name for copy in chosen_copies(scope, options)],
        "bytes_total": plan.bytes_total,
        **expectation(session, scope, plan, now),
        "streams": streams.streams,
        "streams_limited_by": streams.limited_by,
        "paths": [
            {
                "copies": [names[copy_id] for copy_id in copies],
                "libraries": sorted(libraries),
                "media_agents": list(agents),
                "reason": routes.why(source, libraries, agents),
            }
            for source, copies, libraries, agents in _ways(routes, scope, plan)
        ],
        "copy_totals": [
            {
                "copy": totals.copy,
                "taken": totals.taken,
                "follows": totals.follows,
                "skipped": totals.skipped,
                "blocked": totals.blocked,
                "bytes": totals.bytes,
            }
            for totals in plan.totals
        ],
        "backup_jobs": LineDocuments(
            plan.lines, ledger.backup_job_names(session, scope.policy.id), names
        ),
    }


def verdict_document(
    session: Session, scope: Scope, plan: Plan, job: BackupJobValue
) -> dict[str, Any] | None:
    """The first verdict of a plan on one backup job; None where there is none."""
    for line in plan.lines:
        if line.backup_job_id == job.id:
            subclient = next(s for s in config.subclients(session) if s.id == job.subclient_id)
            name = BackupJobName(
                id=job.id, client=subclient.client, subclient=subclient.name, level=job.level
            )
            return _line_document(line, name, scope.copies[line.copy_id].name)
    return None


class LineDocuments(Sequence[dict[str, Any]]):
    """The lines of a plan as documents, each made when it is taken: there may be a million.

    Args:
        lines: of the plan.
        jobs: what is said of each backup job, by id.
        copies: names of the copies by id.
    """

    def __init__(
        self,
        lines: Sequence[PlanLine],
        jobs: Mapping[int, BackupJobName],
        copies: Mapping[int, str],
    ) -> None:
        self._lines = lines
        self._jobs = jobs
        self._copies = copies

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | Sequence[dict[str, Any]]:
        if isinstance(index, slice):
            return LineDocuments(self._lines[index], self._jobs, self._copies)
        return self._document(self._lines[index])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._document, self._lines)

    def _document(self, line: PlanLine) -> dict[str, Any]:
        return _line_document(line, self._jobs[line.backup_job_id], self._copies[line.copy_id])


def _line_document(line: PlanLine, job: BackupJobName, copy: str) -> dict[str, Any]:
    """The verdict on one backup job for one copy."""
    return {
        "backup_job_id": line.backup_job_id,
        "client": job.client,
        "subclient": job.subclient,
        "level": job.level,
        "copy": copy,
        "taken": line.verdict in (Verdict.TAKEN, Verdict.FOLLOWS),
        "verdict": line.verdict.value,
        "state": line.state.value,
        "reason": line.reason,
        "next_step": line.next_step,
        "bytes": line.size_bytes,
    }


def expected_streams(scope: Scope, plan: Plan, options: RunOptions) -> StreamNumber:
    """The streams of a run on a host that does nothing else, and the limits that bind."""
    routes = Routes.of(scope, options)
    taken = [line.backup_job_id for line in plan.taken]
    of_work = streams_of_work(options, len(set(taken)), plan.bytes_total)
    lanes: list[Lane] = []
    for _, _, libraries, agents in _ways(routes, scope, plan):
        lanes += [Lane(agent, libraries, len(lanes) + n) for n, agent in enumerate(agents)]
    if not options.scalable:
        lanes = lanes[:1]
    return idle_streams(routes, lanes, of_work) if taken else of_work


def _ways(
    routes: Routes, scope: Scope, plan: Plan
) -> Iterator[tuple[str, tuple[int, ...], frozenset[str], tuple[str, ...]]]:
    """Library of the source, copies that are written in one go, their libraries, the MediaAgents."""
    for source, copies in _by_source(scope, plan).items():
        for group, libraries, agents in routes.split(source, copies):
            yield source, group, libraries, agents


def _by_source(scope: Scope, plan: Plan) -> dict[str, list[tuple[int, str]]]:
    """Library of the source -> copies that get something from it, with their libraries."""
    by_source: dict[str, list[tuple[int, str]]] = {}
    rules = {copy.copy_id: copy for copy in plan.copies}
    for totals in plan.totals:
        library, source_id = scope.library_of(totals.copy_id), rules[totals.copy_id].source_copy_id
        if totals.taken and library is not None:
            source = None if source_id is None else scope.library_of(source_id)
            name = source.name if source else ""
            by_source.setdefault(name, []).append((totals.copy_id, library.name))
    return by_source
