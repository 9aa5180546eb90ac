"""`auxtui jobs`: the job controller and the job history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from auxtui import format as fmt
from auxtui.cli.completing import policy_names
from auxtui.cli.output import write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, terms_of
from auxtui.cli.times import Times
from auxtui.cli.words import name_of, one_of
from engine.catalog.live_values import HistoryFilter
from engine.catalog.running_values import JobValue
from engine.model.errors import UsageError
from engine.model.states import JobState, Operation
from engine.policy.durations import parse_duration

app = typer.Typer(rich_markup_mode=None, add_completion=False)

DEFAULT_SINCE = timedelta(days=1)


@app.command()
def jobs(
    ctx: typer.Context,
    active: Annotated[
        bool, typer.Option("--active", help="Only those that have not ended.", show_default=False)
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Only those that have ended.", show_default=False)
    ] = False,
    since: Annotated[
        str | None, typer.Option("--since", help="Of the last 7d, 12h ...", show_default=False)
    ] = None,
    operation: Annotated[
        str | None, typer.Option("--operation", help="auxcopy, restore ...", show_default=False)
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", help="running, failed ...; again for more.", show_default=False),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            help="Of one storage policy.",
            autocompletion=policy_names,
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many.", show_default=False)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The job controller and the job history, newest first; of the last day unless told otherwise."""
    terms = terms_of(ctx, home, as_json)
    if active and history:
        raise UsageError("--active and --history exclude each other", hint="leave both out for all")
    where = HistoryFilter(
        active=True if active else False if history else None,
        since=_start(since, whole=active or history or bool(state) or limit is not None),
        operation=one_of(operation, Operation, "operation") if operation else "",
        states=tuple(JobState(one_of(word, JobState, "state")) for word in state or ()),
        policy=name_of(policy, "policy"),
    )
    with terms.live() as live:
        found = live.history(where, limit=limit)
        errors = {job.id: live.errors(job.id) for job in found if job.errors and terms.as_json}
    if terms.as_json:
        from engine.catalog.live_documents import job_document

        write_json({"jobs": [job_document(job, errors.get(job.id, ())) for job in found]})
        return
    times = terms.times()
    write_table(
        ["job", "operation", "policy", "copies", "state", "done", "size", "rate", "left",
         times.heading("since"), "errors", "reason"],
        [_row(job, times) for job in found],
        numbers=["job", "done", "size", "rate", "left", "errors"],
        names=["policy", "copies"],
        least=["errors", "copies", "left", "rate", "policy", "since"],
    )  # fmt: skip


def _start(since: str | None, *, whole: bool) -> datetime | None:
    """From when; all of it for a question that names what it looks for."""
    now = datetime.now(UTC)
    if since is None:
        return None if whole else now - DEFAULT_SINCE
    try:
        return now - timedelta(seconds=parse_duration(since))
    except OverflowError:
        return None  # longer ago than dates reach: everything


def _row(job: JobValue, times: Times) -> list[object]:
    share = f"{fmt.percent(job.bytes_done, job.bytes_total)} %" if job.bytes_total else "-"
    return [
        job.id,
        job.operation,
        job.policy,
        ",".join(job.copies),
        job.state.replace("_", " "),
        share,
        fmt.size(job.bytes_total),
        fmt.rate(job.bytes_per_second if not job.state.is_final else None),
        fmt.duration(job.seconds_left if not job.state.is_final else None),
        times.cell(job.started_at or job.created_at, now=datetime.now(UTC)),
        job.errors,
        job.reason,
    ]
