"""From the catalog to a plan: the one plan of the dialog's preview, `--dry-run` and the job's record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from engine.catalog import config, ledger, lines
from engine.catalog.values import CopyValue, DataPathValue, LibraryValue, PolicyValue
from engine.model.errors import CatalogError, NotFoundError, UsageError
from engine.model.states import CopyKind
from engine.policy.plan import Plan, build_plan
from engine.policy.streams import StreamLimits, StreamNumber, number_of_streams
from engine.policy.values import CopyRules, RunOptions, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The part of the configuration that a run of one policy needs."""

    commcell_id: str
    commcell: str
    time_zone: str
    policy: PolicyValue
    copies: dict[int, CopyValue]
    libraries: dict[int, LibraryValue]
    data_paths: tuple[DataPathValue, ...]
    agents: dict[int, tuple[str, int]]
    """MediaAgent id -> name and maximum of streams."""

    @property
    def primary(self) -> CopyValue:
        """The primary copy of the policy."""
        return next(copy for copy in self.copies.values() if copy.kind == CopyKind.PRIMARY)

    def library_id(self, copy_id: int) -> int:
        """The library of a copy that must have one.

        Raises:
            CatalogError: it has none, which only a primary of landing directories may.
        """
        library_id = self.copies[copy_id].library_id
        if library_id is None:
            raise CatalogError(
                f"copy {self.copies[copy_id].name} of policy {self.policy.name} has no library",
                hint="give it one in the site file and apply it",
            )
        return library_id

    def library_of(self, copy_id: int) -> LibraryValue | None:
        """The library of a copy; None for a primary that is only landing directories."""
        library_id = self.copies[copy_id].library_id
        return None if library_id is None else self.libraries[library_id]


def load_scope(session: Session, policy_name: str) -> Scope:
    """Reads what a run of a policy needs.

    Raises:
        NotFoundError: there is no such policy.
    """
    policy = config.policy(session, policy_name)
    cell = config.commcell(session)
    return Scope(
        commcell_id=cell.uuid,
        commcell=cell.name,
        time_zone=cell.time_zone,
        policy=policy,
        copies={copy.id: copy for copy in config.copies(session, policy.id)},
        libraries={library.id: library for library in config.libraries(session)},
        data_paths=tuple(config.data_paths(session)),
        agents={
            agent.id: (agent.name, agent.max_streams) for agent in config.media_agents(session)
        },
    )


def chosen_copies(scope: Scope, options: RunOptions) -> list[CopyValue]:
    """The secondary copies that a run is for: those named, or all.

    Raises:
        NotFoundError: the policy has no copy of that name.
        UsageError: the primary was named, the copy is not active, or there is no secondary copy.
    """
    secondary = [c for c in scope.copies.values() if c.kind != CopyKind.PRIMARY]
    if not options.copies:
        chosen = [c for c in secondary if c.active]
        if not chosen:
            raise UsageError(
                f"policy {scope.policy.name} has no active secondary copy",
                hint="add one to the site file and apply it",
            )
        return chosen
    by_name = {c.name: c for c in scope.copies.values()}
    for name in options.copies:
        if name not in by_name:
            raise NotFoundError(
                f"policy {scope.policy.name} has no copy {name}",
                hint=f"its copies: {', '.join(sorted(by_name))}",
            )
        if by_name[name].kind == CopyKind.PRIMARY:
            raise UsageError(f"{name} is the primary copy: nothing is copied to it")
        if not by_name[name].active:
            raise UsageError(
                f"copy {name} is not active: it gets nothing from a run",
                hint="set active = true in the site file",
            )
    return [by_name[name] for name in options.copies]


def copy_rules(scope: Scope, copy: CopyValue) -> CopyRules:
    """A copy as the rules see it; its source resolved to the primary where the site says nothing."""
    source = copy.source_copy_id
    if source is None and copy.kind != CopyKind.PRIMARY:
        source = scope.primary.id
    library = scope.library_of(copy.id)
    return CopyRules(
        copy_id=copy.id,
        name=copy.name,
        kind=CopyKind(copy.kind),
        source_copy_id=source,
        active=copy.active,
        precedence=copy.precedence,
        on_and_after=copy.on_and_after,
        defer_s=copy.defer_s,
        subclients=frozenset(copy.subclients),
        select_rule=copy.select_rule,
        select_every=copy.select_every,
        take=copy.take,
        compression=copy.compression,
        encrypt_to=tuple(copy.encrypt_to),
        library=library.name if library else "",
    )


def plan_run(session: Session, scope: Scope, options: RunOptions, now: datetime) -> Plan:
    """Builds the plan of a run from the ledger as it is now."""
    rules = [copy_rules(scope, copy) for copy in chosen_copies(scope, options)]
    source_names = {copy.id: copy.name for copy in scope.copies.values()}
    seen = {rule.copy_id: lines.ledger_lines(session, rule.copy_id) for rule in rules}
    return build_plan(
        rules,
        seen,
        now=now.timestamp(),
        options=options,
        zone=scope.time_zone,
        source_names=source_names,
    )


def destination_libraries(scope: Scope, options: RunOptions) -> list[LibraryValue]:
    """The libraries that a run writes to."""
    ids = {scope.library_id(copy.id) for copy in chosen_copies(scope, options)}
    return [scope.libraries[library_id] for library_id in sorted(ids)]


def agents_resource(scope: Scope, options: RunOptions) -> str:
    """The name under which the streams of the usable MediaAgents are shared."""
    if options.source_media_agent:
        return f"MediaAgent {options.source_media_agent}"
    return "MediaAgent " + ", ".join(sorted(name for name, _ in scope.agents.values()))


def stream_limits(scope: Scope) -> dict[str, int]:
    """How many streams each resource allows in all."""
    limits = {f"library {lib.name}": lib.writers for lib in scope.libraries.values()}
    limits |= {f"MediaAgent {name}": streams for name, streams in scope.agents.values()}
    every = "MediaAgent " + ", ".join(sorted(name for name, _ in scope.agents.values()))
    limits[every] = sum(streams for _, streams in scope.agents.values())
    return limits


def streams_of(scope: Scope, plan: Plan, options: RunOptions) -> StreamNumber:
    """The number of streams of a run on an idle host, and the limit that binds."""
    taken = {line.copy_id for line in plan.lines if line.verdict is Verdict.TAKEN}
    libraries = {}
    for copy_id in taken or {copy.id for copy in chosen_copies(scope, options)}:
        library = scope.library_of(copy_id)
        if library is not None:
            libraries[library.name] = library.writers
    return number_of_streams(
        StreamLimits(
            asked=options.streams,
            media_agents=_agents_for(scope, options),
            libraries=libraries,
            bytes_to_copy=plan.bytes_total,
            backup_jobs=len({line.backup_job_id for line in plan.taken}),
        )
    )


def _agents_for(scope: Scope, options: RunOptions) -> dict[str, int]:
    named = dict(scope.agents.values())
    if options.source_media_agent:
        if options.source_media_agent not in named:
            raise NotFoundError(
                f"there is no MediaAgent {options.source_media_agent}",
                hint=f"known: {', '.join(sorted(named))}",
            )
        return {options.source_media_agent: named[options.source_media_agent]}
    return named


def plan_document(
    scope: Scope, plan: Plan, options: RunOptions, session: Session
) -> dict[str, Any]:
    """The plan as the JSON document of the command line, with totals per copy."""
    names = {copy.id: copy.name for copy in scope.copies.values()}
    jobs = ledger.backup_job_names(session, scope.policy.id)
    streams = streams_of(scope, plan, options)
    return {
        "policy": scope.policy.name,
        "copies": [copy.name for copy in chosen_copies(scope, options)],
        "bytes_total": plan.bytes_total,
        "fits_before": None,
        "streams": streams.streams,
        "streams_limited_by": streams.limited_by,
        "copy_totals": _copy_totals(plan, names),
        "backup_jobs": [
            {
                "backup_job_id": line.backup_job_id,
                "client": jobs[line.backup_job_id].client,
                "subclient": jobs[line.backup_job_id].subclient,
                "level": jobs[line.backup_job_id].level,
                "copy": names[line.copy_id],
                "taken": line.verdict is Verdict.TAKEN,
                "verdict": line.verdict.value,
                "state": line.state.value,
                "reason": line.reason,
                "next_step": line.next_step,
                "bytes": line.size_bytes,
            }
            for line in plan.lines
        ],
    }


def _copy_totals(plan: Plan, names: dict[int, str]) -> list[dict[str, Any]]:
    counts: dict[int, Counter[str]] = {}
    for line in plan.lines:
        count = counts.setdefault(line.copy_id, Counter())
        count[line.verdict.value] += 1
        if line.verdict is Verdict.TAKEN:
            count["bytes"] += line.size_bytes
    return [
        {
            "copy": names[copy_id],
            "taken": count["taken"],
            "skipped": count["skipped"],
            "blocked": count["blocked"],
            "bytes": count["bytes"],
        }
        for copy_id, count in counts.items()
    ]
