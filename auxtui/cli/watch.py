"""`auxtui watch`: follows jobs, one line per event; for screen readers, logs and slow lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from auxtui import format as fmt
from auxtui.cli.completing import job_ids
from auxtui.cli.output import say, tell
from auxtui.cli.terms import HomeOption, Terms, terms_of
from auxtui.cli.waiting import ended_line, error_line, exit_code_of, follow, job_line
from engine.catalog.running_values import JobValue
from engine.model.errors import EXIT_OK, EXIT_TRY_LATER

if TYPE_CHECKING:
    from engine.catalog.live import LiveCatalog

TENTHS = 10
AT_LEAST_EVERY_S = 60.0  # so often a job that goes on says how far it is
LOOK_S = 0.5

app = typer.Typer(rich_markup_mode=None, add_completion=False)


class Told:
    """Which lines are said of one job: what happens to it, each tenth, how far it is once a minute."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        """Args:
        steady: seconds that nobody sets.
        """
        self._steady = steady
        self._step: tuple[object, ...] = ()
        self._line = ""
        self._said_s = 0.0
        self._errors = self._shown = 0

    def lines(self, job: JobValue, live: LiveCatalog) -> Iterator[str]:
        """What is new of a job since the last time."""
        if job.errors > self._errors:
            errors = live.errors(job.id)
            yield from (f"job {job.id}  error: {error_line(one)}" for one in errors[self._shown :])
            self._errors, self._shown = job.errors, len(errors)
        line = ended_line(job) if job.state.is_final else job_line(job)
        share = fmt.percent(job.bytes_done, job.bytes_total) // TENTHS
        step = (job.state, job.phase, job.reason, share)
        now_s = self._steady()
        is_due = now_s - self._said_s >= AT_LEAST_EVERY_S and line != self._line
        if step != self._step or is_due:
            self._step, self._line, self._said_s = step, line, now_s
            yield line


@app.command()
def watch(
    ctx: typer.Context,
    job_id: Annotated[
        int | None,
        typer.Argument(
            metavar="[ID]",
            min=1,
            max=2**63 - 1,
            help="Its id; without one: every job, until none is active any more.",
            show_default=False,
            autocompletion=job_ids,
        ),
    ] = None,
    _plain: Annotated[
        bool,
        typer.Option("--plain", help="One line per event (always so here).", show_default=False),
    ] = True,
    home: HomeOption = None,
) -> None:
    """Follow a job until it ends, one line per event, nothing redrawn."""
    terms = terms_of(ctx, home)
    try:
        code = _every_job(terms) if job_id is None else _one_job(terms, job_id)
    except KeyboardInterrupt:
        tell("all goes on without you" if job_id is None else f"job {job_id} goes on without you")
        raise typer.Exit(EXIT_TRY_LATER) from None
    raise typer.Exit(code)


def _one_job(terms: Terms, job_id: int) -> int:
    told = Told()
    with terms.live() as live:
        return exit_code_of(follow(terms, job_id, lambda job: _say(told.lines(job, live))))


def _every_job(terms: Terms) -> int:
    """Follows all that is active, and what begins meanwhile; the first code that is not 0 is returned."""
    from engine.control.lock import is_held

    told: dict[int, Told] = {}
    code = EXIT_OK
    with terms.live() as live:
        while True:
            is_up = is_held(terms.home.service_lock)  # before the look: what it did last is seen
            active = live.active_jobs()
            gone = [number for number in told if number not in {job.id for job in active}]
            for job in (*(live.job(number) for number in gone), *active):
                _say(told.setdefault(job.id, Told()).lines(job, live))
            for number in gone:
                del told[number]
                code = code or exit_code_of(live.job(number))
            if not active:
                if not gone:
                    say("no job is active")
                return code
            if not is_up:
                tell(f"{fmt.count(len(active), 'job')} wait: the service is not running")
                tell("  auxtui service start")
                return EXIT_TRY_LATER
            time.sleep(LOOK_S)


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        say(line)
        sys.stdout.flush()
