"""`auxtui job ...`: one job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui import format as fmt
from auxtui.cli.completing import job_ids
from auxtui.cli.output import say, write_facts, write_json
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.cli.waiting import error_line, wait_and_report
from engine.model.states import RequestKind
from engine.policy.durations import parse_rate

if TYPE_CHECKING:
    from engine.catalog.values import JobErrorValue, JobValue

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="One job: its state, and what it shall do.",
)

JobId = Annotated[
    int,
    typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="Its id.", autocompletion=job_ids),
]


@app.command()
def show(
    ctx: typer.Context, job_id: JobId, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """What a job does, and what went wrong."""
    terms = terms_of(ctx, home, as_json)
    with terms.live() as live:
        job = live.job(job_id)
        errors = live.errors(job_id) if job.errors else ()
    if terms.as_json:
        from engine.catalog.live_documents import job_document

        write_json(job_document(job, errors))
    else:
        _show(job, errors)


def _show(job: JobValue, errors: tuple[JobErrorValue, ...]) -> None:
    share = f" ({fmt.percent(job.bytes_done, job.bytes_total)} %)" if job.bytes_total else ""
    write_facts(
        [
            ("job", job.id),
            ("operation", job.operation),
            ("policy", job.policy),
            ("copies", ", ".join(job.copies)),
            ("state", job.state.replace("_", " ")),
            ("phase", job.phase),
            ("reason", job.reason),
            ("until", fmt.moment(job.until)),
            ("priority", job.priority),
            ("description", job.description),
            ("initiated by", job.initiated_by),
            ("created", fmt.moment(job.created_at)),
            ("started", fmt.moment(job.started_at)),
            ("ended", fmt.moment(job.ended_at)),
            (
                "backup jobs",
                f"{job.backup_jobs_done} of {job.backup_jobs_total} done, "
                f"{job.backup_jobs_failed} failed, {job.backup_jobs_skipped} skipped",
            ),
            ("size", f"{fmt.size(job.bytes_done)} of {fmt.size(job.bytes_total)}{share}"),
            ("not read again", fmt.size(job.bytes_reused) if job.bytes_reused else ""),
            ("rate", fmt.rate(job.bytes_per_second)),
            ("left", fmt.duration(job.seconds_left)),
            ("throttle", fmt.limit(job.throttle_bps)),
            (
                "streams",
                f"{job.streams}, limited by {job.streams_limited_by}" if job.streams else "",
            ),
            ("attempts", job.attempts),
            ("errors", job.errors),
        ]
    )
    for error in errors:
        say(error_line(error))


@app.command()
def wait(
    ctx: typer.Context,
    job_id: JobId,
    here: HereOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait for the end of a job; the exit code is the job's."""
    terms = terms_of(ctx, home, as_json)
    with terms.live() as live:
        is_over = live.job(job_id).state.is_final
    if here and not is_over:
        from auxtui.cli.here import run_here

        raise typer.Exit(run_here(terms.home, lambda: wait_and_report(terms, job_id, here=True)))
    raise typer.Exit(wait_and_report(terms, job_id))


@app.command()
def suspend(
    ctx: typer.Context, job_id: JobId, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Stop it at a chunk boundary; it goes on when it is resumed."""
    _ask(terms_of(ctx, home, as_json), RequestKind.SUSPEND, job_id, {}, "suspended")


@app.command()
def resume(
    ctx: typer.Context, job_id: JobId, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Let a suspended job go on."""
    _ask(terms_of(ctx, home, as_json), RequestKind.RESUME, job_id, {}, "resumed")


@app.command()
def kill(
    ctx: typer.Context, job_id: JobId, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """End it for good; what is copied stays, and the next run takes the rest."""
    _ask(terms_of(ctx, home, as_json), RequestKind.KILL, job_id, {}, "killed")


@app.command()
def priority(
    ctx: typer.Context,
    job_id: JobId,
    number: Annotated[int, typer.Argument(metavar="N", min=0, max=9, help="0 first, 9 last.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give it another priority."""
    terms = terms_of(ctx, home, as_json)
    _ask(terms, RequestKind.PRIORITY, job_id, {"priority": number}, f"has priority {number}")


@app.command()
def throttle(
    ctx: typer.Context,
    job_id: JobId,
    rate: Annotated[str, typer.Argument(metavar="RATE", help="200MiB/s; none: no limit.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Limit its rate, also while it runs."""
    throttle_bps = None if rate.strip().lower() == "none" else parse_rate(rate)
    said = f"limited to {fmt.rate(throttle_bps)}" if throttle_bps else "without a limit"
    terms = terms_of(ctx, home, as_json)
    _ask(terms, RequestKind.THROTTLE, job_id, {"throttle_bps": throttle_bps}, said)


@app.command()
def resubmit(
    ctx: typer.Context, job_id: JobId, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Run an ended job once more with the same options; prints the new id."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    new_id = frontdoor.resubmit(terms.home, job_id, by=whoami())
    _print_job(terms, new_id, str(new_id))


def _ask(terms: Terms, kind: RequestKind, job_id: int, payload: dict[str, Any], said: str) -> None:
    from engine.control import frontdoor

    with terms.live() as live:
        live.job(job_id)  # no service is started for a job that does not exist
    frontdoor.request(terms.home, kind, job_id, payload, by=whoami())
    _print_job(terms, job_id, f"job {job_id} {said}")


def _print_job(terms: Terms, job_id: int, said: str) -> None:
    if not terms.as_json:
        say(said)
        return
    from engine.catalog.live_documents import job_document

    with terms.live() as live:
        job = live.job(job_id)
        write_json(job_document(job, live.errors(job_id) if job.errors else ()))
