"""Runs the demo: makes the CommCell, runs its auxiliary copies, shows them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from auxtui.cli.output import tell
from auxtui.cli.terms import Terms
from auxtui.cli.waiting import Progress, exit_code_of, follow
from auxtui.demo.material import Material, make_another_image
from auxtui.demo.outcome import report, ways_on
from auxtui.demo.place import Place
from auxtui.demo.site_text import POLICIES
from engine.catalog.running_values import JobValue
from engine.control import frontdoor
from engine.control.lock import is_held
from engine.model.errors import EXIT_TRY_LATER, UsageError
from engine.model.states import JobState, Operation
from engine.policy.values import RunOptions

WATCHED_S = 90  # so long there is something to watch, whatever this host is able to
LEAST_BPS = 256 << 10
BY = "demo"


def run_demo(
    directory: str, *, headless: bool, as_json: bool, material: Material | None = None
) -> int:
    """Makes or reopens the demo below a directory and runs it.

    Args:
        directory: made when it is missing; refused when it holds something else.
        headless: wait for the end and print the result, without the console.
        as_json: print the result as one JSON document.
        material: what the backup jobs are made of; None: some GB of this host's own files.

    Returns:
        The exit code: 0 when everything was copied.
    """
    demo = _Demo(Place(directory), material or Material(), as_json=as_json)
    try:
        return demo.run_headless() if headless else demo.run_in_console()
    except KeyboardInterrupt:
        tell("stopped; what is there stays, the same command goes on")
        return EXIT_TRY_LATER


def watched_bps(plan: Mapping[str, Any]) -> int:
    """The throttle with which the largest copy of a plan takes `WATCHED_S` seconds."""
    largest = max((total["bytes"] for total in plan["copy_totals"]), default=0)
    return max(LEAST_BPS, int(largest) // WATCHED_S)


class _Demo:
    """One run of the demo."""

    def __init__(self, place: Place, material: Material, *, as_json: bool) -> None:
        self.place = place
        self.home = place.home
        self.material = material
        self.as_json = as_json

    def run_headless(self) -> int:
        """Copies everything, prints the result, and leaves no service behind that it started."""
        self.place.prepare(self.material, self._tell)
        was_served = is_held(self.home.service_lock)
        try:
            self._scan()
            ended = [self._run_to_end(policy) for policy in POLICIES]
            report(self.place, ended, as_json=self.as_json)
            return max(exit_code_of(job) for job in ended)
        finally:
            if not was_served:
                frontdoor.stop_service(self.home, by=BY)

    def run_in_console(self) -> int:
        """Shows the console with a running job; the job goes on when the console is left."""
        from auxtui.cli.console import open_console

        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError(
                "the console needs a terminal", hint="auxtui demo --headless prints the result"
            )
        self.place.prepare(self.material, self._tell)
        self._scan()
        self._run_to_end(POLICIES[0])
        self._start_what_is_watched(POLICIES[1])
        exit_code = open_console(self.home, {})
        self._say_what_goes_on()
        return exit_code

    def _scan(self) -> None:
        frontdoor.run_scan(self.home, None, by=BY)

    def _run_to_end(self, policy: str) -> JobValue:
        job_id = frontdoor.run_auxcopy(self.home, policy, RunOptions(), by=BY)
        self._tell(f"job {job_id}: copying policy {policy}")
        progress = Progress()
        terms = Terms(home=self.home, as_json=self.as_json)
        try:
            return follow(terms, job_id, (lambda _: None) if self.as_json else progress.show)
        finally:
            progress.end()

    def _start_what_is_watched(self, policy: str) -> None:
        """Starts a slow run, unless one of an earlier demo is still at work."""
        if any(not job.state.is_final for job in self._jobs_of(policy)):
            return
        if not frontdoor.preview(self.home, policy, RunOptions())["bytes_total"]:
            try:
                make_another_image(self.place.landing, self.material, self._tell)
            except UsageError as err:
                self._tell(f"there is nothing new to copy: {err.message}")
                return
            except OSError as err:
                raise self.place.refusal(err) from err
            self._scan()
        plan = frontdoor.preview(self.home, policy, RunOptions())
        options = RunOptions(throttle_bps=watched_bps(plan), description="the demo's job to watch")
        frontdoor.run_auxcopy(self.home, policy, options, by=BY)

    def _jobs_of(self, policy: str) -> list[JobValue]:
        with Terms(home=self.home, as_json=False).live() as live:
            active = live.active_jobs()
        return [
            job for job in active if job.operation is Operation.AUXCOPY and job.policy == policy
        ]

    def _say_what_goes_on(self) -> None:
        for job in self._jobs_of(POLICIES[1]):
            if job.state is JobState.RUNNING:
                tell(f"job {job.id} goes on without the console")
        look, *_ = ways_on(self.place)
        tell(look)
        tell(f"end it:           {look.split(':', 1)[1].strip()} service stop")

    def _tell(self, line: str) -> None:
        if not self.as_json:
            tell(line)
