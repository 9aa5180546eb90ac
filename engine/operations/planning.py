"""From the catalog to a plan: the one plan of the dialog's preview, `--dry-run` and the job's record."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from engine.catalog import config, lines
from engine.catalog.values import (
    BackupJobValue,
    CopyValue,
    DataPathValue,
    LibraryValue,
    PolicyValue,
)
from engine.library.age import load_identities
from engine.model.errors import CatalogError, NotFoundError, UsageError
from engine.model.states import CopyKind
from engine.policy.backlog import BehindLimits
from engine.policy.periods import Calendar
from engine.policy.plan import Plan, build_plan
from engine.policy.values import CopyRules, Keys, LedgerLine, RunOptions


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
    calendar: Calendar = field(default_factory=Calendar)
    behind: BehindLimits = field(default_factory=BehindLimits)
    not_pick_new_backups: bool = False
    identity_files: tuple[str, ...] = ()
    """Of the keys that open encrypted copies."""

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
        calendar=Calendar(
            day_start_s=cell.day_start_s,
            week_start=cell.week_start,
            month_start_day=cell.month_start_day,
        ),
        behind=BehindLimits(
            size_bytes=cell.behind_bytes, age_s=cell.behind_age_s, time_s=cell.behind_time_s
        ),
        not_pick_new_backups=cell.auxcopy_not_pick_new_backups,
        identity_files=tuple(cell.age_identity_files),
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
        encoding=copy.encoding,
        library=library.name if library else "",
        worm=copy.worm,
    )


class Ledgers(Mapping[int, Sequence[LedgerLine]]):
    """The ledgers of copies, read when they are asked for and not kept.

    Args:
        session: any session.
        copy_ids: of which copies.
        compared: those among them whose rules compare backup jobs with each other.
        owed_only: of the others only what is not there, see `plan_run`.
        only: restricts them, see `lines.ledger_lines`.
    """

    def __init__(
        self,
        session: Session,
        copy_ids: Sequence[int],
        *,
        compared: Collection[int],
        owed_only: bool,
        **only: int,
    ) -> None:
        self._session = session
        self._copy_ids = copy_ids
        self._compared = compared
        self._owed_only = owed_only
        self._only = only

    def __getitem__(self, copy_id: int) -> Sequence[LedgerLine]:
        if copy_id not in self._copy_ids:
            raise KeyError(copy_id)
        is_owed_only = self._owed_only and copy_id not in self._compared
        return lines.ledger_lines(self._session, copy_id, without_there=is_owed_only, **self._only)

    def __iter__(self) -> Iterator[int]:
        return iter(self._copy_ids)

    def __len__(self) -> int:
        return len(self._copy_ids)


@contextmanager
def few_collections() -> Iterator[None]:
    """A plan makes millions of small tuples and no cycles: looking for these costs a third of it."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def plan_run(
    session: Session,
    scope: Scope,
    options: RunOptions,
    now: datetime,
    *,
    asked_at: datetime | None = None,
    only: BackupJobValue | None = None,
    owed_only: bool = False,
) -> Plan:
    """Builds the plan of a run from the ledger as it is now.

    Args:
        asked_at: when the run was asked for; None: now.
        only: the one backup job whose verdicts are wanted: read and judged is no more than they
            depend on, which is at most its subclient; None: all.
        owed_only: for whoever needs no verdict on what is there already: the plan may be without
            those, and then they are not in its totals either. What they are compared with is read.
    """
    rules = [copy_rules(scope, copy) for copy in chosen_copies(scope, options)]
    identities = load_identities(scope.identity_files)
    is_fixed = scope.not_pick_new_backups and not options.scalable
    compared = _compared(rules, options)
    with few_collections():
        return build_plan(
            rules,
            Ledgers(
                session,
                [rule.copy_id for rule in rules],
                compared=compared,
                owed_only=owed_only,
                **_needed_for(only, compared),
            ),
            now=now.timestamp(),
            options=options,
            zone=scope.time_zone,
            calendar=scope.calendar,
            source_names={copy.id: copy.name for copy in scope.copies.values()},
            completed_by=(asked_at or now).timestamp() if is_fixed else None,
            keys=Keys(identities.may_open, identities.hint),
        )


def _compared(rules: Sequence[CopyRules], options: RunOptions) -> set[int]:
    """The copies whose verdicts depend on other backup jobs of the same subclient.

    A selective copy, and a run of most recent fulls, compare them; everything else is said of each
    by itself.
    """
    every = options.use_most_recent_full
    return {rule.copy_id for rule in rules if every or rule.kind is CopyKind.SELECTIVE}


def _needed_for(backup_job: BackupJobValue | None, compared: Collection[int]) -> dict[str, int]:
    """What of the ledger the verdicts on one backup job depend on."""
    if backup_job is None:
        return {}
    if compared:
        return {"subclient_id": backup_job.subclient_id}
    return {"backup_job_id": backup_job.id}


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
