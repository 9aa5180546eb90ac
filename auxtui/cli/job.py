"""`auxtui job ...`: one job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from auxtui import format as fmt
from auxtui.cli.completing import job_ids, policy_names
from auxtui.cli.job_record import JobRecord, copy_limits, record_document, show_record
from auxtui.cli.output import say, write_json
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.cli.times import Times
from auxtui.cli.waiting import wait_and_report
from auxtui.cli.words import name_of
from engine.model.errors import NotFoundError, UsageError
from engine.model.states import RequestKind
from engine.policy.durations import parse_rate

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

OneOrAll = Annotated[
    int | None,
    typer.Argument(
        metavar="ID", min=1, max=2**63 - 1, help="Its id; or --all.", autocompletion=job_ids
    ),
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Every job for which it can be meant.", show_default=False)
]
PolicyOption = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help="With --all: those of one policy.",
        autocompletion=policy_names,
        show_default=False,
    ),
]


@app.command()
def show(
    ctx: typer.Context,
    job_id: JobId,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="The plan it began with: each backup job, and why.", show_default=False
        ),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a job does, how it came to it, and what went wrong."""
    terms = terms_of(ctx, home, as_json)
    with terms.live() as live:
        record = JobRecord(
            job=live.job(job_id),
            errors=live.errors(job_id),
            attempts=live.attempts(job_id),
            plan=live.plan(job_id),
        )
        limits = copy_limits(live, record.job)
    if terms.as_json:
        write_json(record_document(record, with_lines=plan))
    elif plan:
        _show_plan(record, terms.times())
    else:
        show_record(record, terms.times(), limits)


def _show_plan(record: JobRecord, times: Times) -> None:
    from auxtui.cli.plans import show_plan

    if not record.has_plan:
        raise NotFoundError(
            f"job {record.job.id} has no plan",
            hint="a run of the auxiliary copy operation has one as soon as it has begun",
        )
    show_plan(record.plan or {}, times)


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
    ctx: typer.Context,
    job_id: OneOrAll = None,
    every: AllOption = False,
    policy: PolicyOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop it at once; finished chunks stay, the one in flight of each stream is copied again."""
    _ask_one_or_all(
        terms_of(ctx, home, as_json), RequestKind.SUSPEND, job_id, every, policy, "suspended"
    )


@app.command()
def resume(
    ctx: typer.Context,
    job_id: OneOrAll = None,
    every: AllOption = False,
    policy: PolicyOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a suspended job go on, and a pending one try now."""
    _ask_one_or_all(
        terms_of(ctx, home, as_json), RequestKind.RESUME, job_id, every, policy, "resumed"
    )


@app.command()
def kill(
    ctx: typer.Context,
    job_id: OneOrAll = None,
    every: AllOption = False,
    policy: PolicyOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End it for good; what is copied stays, and the next run takes the rest."""
    _ask_one_or_all(terms_of(ctx, home, as_json), RequestKind.KILL, job_id, every, policy, "killed")


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
    ctx: typer.Context,
    ended: Annotated[
        list[int],
        typer.Argument(
            metavar="ID...",
            min=1,
            max=2**63 - 1,
            help="Ended jobs.",
            autocompletion=job_ids,
        ),
    ],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run ended jobs once more with the same options; prints the new ids."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    if len(ended) == 1:
        new_id = frontdoor.resubmit(terms.home, ended[0], by=whoami())
        _print_job(terms, new_id, str(new_id))
        return
    from auxtui.cli.all_jobs import resubmit_each

    raise typer.Exit(resubmit_each(terms, ended))


def _ask_one_or_all(
    terms: Terms, kind: RequestKind, job_id: int | None, every: bool, policy: str | None, said: str
) -> None:
    if job_id is None and not every:
        raise UsageError("no job is named", hint="its id, or --all")
    if every and job_id is not None:
        raise UsageError("one job is named, and --all", hint="leave one of them out")
    if policy is not None and not every:
        raise UsageError("--policy goes with --all", hint="add --all, or leave it out")
    if job_id is not None:
        _ask(terms, kind, job_id, {}, said)
        return
    from auxtui.cli.all_jobs import ask_all

    raise typer.Exit(ask_all(terms, kind, name_of(policy, "policy"), said))


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
