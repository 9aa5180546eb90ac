"""`auxtui copies`: the ledger of one copy, or of all copies of a policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui import format as fmt
from auxtui.cli.completing import copy_names
from auxtui.cli.output import tell, write_json_list, write_table
from auxtui.cli.terms import HomeOption, JsonOption, terms_of
from auxtui.cli.words import found_name, name_of, one_of, policy_and_copy
from engine.catalog.live_values import LedgerFilter, LiveCopy, LiveJobCopy
from engine.model.states import JobCopyState
from engine.policy.durations import parse_duration

if TYPE_CHECKING:
    from auxtui.cli.times import Times
    from engine.catalog.live import LiveCatalog
    from engine.catalog.watch_values import CopyStanding

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def copies(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="POLICY[/COPY]",
            help="A copy; else all of the policy.",
            autocompletion=copy_names,
        ),
    ],
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state", help="to-be-copied, available ...; again for more.", show_default=False
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Backed up in the last 7d ...", show_default=False),
    ] = None,
    client: Annotated[
        str | None, typer.Option("--client", help="Of one client.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many.", show_default=False)
    ] = None,
    long: Annotated[
        bool,
        typer.Option("--long", help="With verification, and until when each is kept."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The ledger: backup jobs on a copy, with state, reason and next step."""
    terms = terms_of(ctx, home, as_json)
    policy, copy = policy_and_copy(name)
    where = LedgerFilter(
        states=tuple(JobCopyState(one_of(word, JobCopyState, "state")) for word in state or ()),
        since=None if since is None else datetime.now(UTC) - _span(since),
        client=name_of(client, "client"),
    )
    with terms.live() as live:
        chosen = chosen_copies(live, policy, copy)
        lines = (
            line
            for each in chosen
            for line in live.job_copies_in_order(each.id, where, limit=limit)
        )
        if terms.as_json:
            write_json_list(
                {"policy": policy, "copy": copy or None, "copies": _standings(chosen)},
                "job_copies",
                _documents(lines),
            )
            return
        shown = list(lines)
    show_ledger(shown, terms.times(), long=long)
    _say_standings(chosen, terms.times())


def _span(text: str) -> timedelta:
    return min(timedelta(seconds=parse_duration(text)), timedelta(days=365 * 1000))


def chosen_copies(live: LiveCatalog, policy: str, copy: str) -> list[LiveCopy]:
    """The copies that `POLICY[/COPY]` names.

    Raises:
        NotFoundError: there is no such policy or copy.
    """
    by_policy = {each.name: each for each in live.estate().policies}
    found = by_policy[found_name(policy, by_policy, "policy")]
    by_name = {each.name: each for each in found.copies}
    if not copy:
        return list(found.copies)
    return [by_name[found_name(copy, by_name, f"copy of policy {policy}")]]


def _standings(chosen: list[LiveCopy]) -> list[dict[str, Any]]:
    """How the copies stood when the service measured last."""
    from engine.catalog.live_documents import standing_document

    return [
        standing_document(copy.policy, copy.name, copy.standing)
        for copy in chosen
        if copy.standing is not None
    ]


def _say_standings(chosen: list[LiveCopy], times: Times) -> None:
    now = datetime.now(UTC)
    for copy in chosen:
        if copy.standing is not None:
            tell(standing_line(copy.name, copy.standing, times, now))


def standing_line(name: str, standing: CopyStanding, times: Times, now: datetime) -> str:
    """How a copy stood, and when: the table above it is newer."""
    owed = f"{fmt.count(standing.owed_jobs, 'backup job')}, {fmt.size(standing.owed_bytes)}"
    measured = times.cell(standing.at, now=now)
    behind = f"; fallen behind: {'; '.join(standing.behind_reasons)}" if standing.is_behind else ""
    return (
        f"{name}: {owed} to copy as of {measured}, {standing.forecast}, {times.zone_name}{behind}"
    )


def _documents(lines: Iterable[LiveJobCopy]) -> Iterator[dict[str, Any]]:
    from engine.catalog.live_documents import job_copy_document

    return ({**job_copy_document(line), "copy": line.copy} for line in lines)


def show_ledger(lines: list[LiveJobCopy], times: Times, *, long: bool) -> None:
    """The table; a long one has verification and retention in the place of lesser columns."""
    now = datetime.now(UTC)
    more = ["verified", times.heading("verified at"), times.heading("kept until"), "kept by"]
    write_table(
        ["job", "copy", "client", "subclient", "name", "level", times.heading("backed up"), "size",
         "state", *(more if long else []), "reason", "next step"],
        [
            [
                line.backup_job_id,
                line.copy,
                line.client,
                line.subclient,
                _name(line),
                line.level,
                times.cell(line.started_at, now=now),
                fmt.size(line.size_bytes),
                line.state.replace("_", " "),
                *(_proof_and_retention(line, times, now) if long else []),
                line.reason,
                line.next_step,
            ]
            for line in lines
        ],
        numbers=["job", "size"],
        names=["name", "client", "subclient", "copy"],
        least=["level", "subclient", "client", "backed up", "name",
               *(["size", "kept by"] if long else [])],
    )  # fmt: skip


def _proof_and_retention(line: LiveJobCopy, times: Times, now: datetime) -> list[str]:
    kept_by, until = line.retained_by, line.retain_until
    if line.pinned_by:
        kept_by, until = line.pinned_by, line.pinned_until
    has_no_end = until is None and (line.pinned_by or line.retained_by == "days")
    return [
        line.verification,
        times.cell(line.verified_at, now=now),
        "for good" if has_no_end else times.cell(until),
        kept_by or "-",
    ]


def _name(line: LiveJobCopy) -> str:
    from engine.model.names import shown

    return shown(line.name)
