"""`auxtui auxcopy`: the auxiliary copy operation, its plan, and saved forms of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui.cli.completing import policy_names
from auxtui.cli.output import say, tell, write_json, write_json_list
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.cli.words import name_of
from engine.model.errors import UsageError
from engine.policy.durations import parse_duration, parse_rate

if TYPE_CHECKING:
    from engine.policy.values import RunOptions

app = typer.Typer(rich_markup_mode=None, add_completion=False)


def _flag(name: str, text: str) -> Any:
    return typer.Option(name, help=text, show_default=False)


@app.command()
def auxcopy(
    ctx: typer.Context,
    policy: Annotated[
        str | None,
        typer.Argument(
            metavar="POLICY",
            help="The storage policy; a script may name it.",
            autocompletion=policy_names,
            show_default=False,
        ),
    ] = None,
    copy: Annotated[list[str] | None, _flag("--copy", "This copy only; again for more.")] = None,
    source_media_agent: Annotated[
        str | None, _flag("--source-media-agent", "Reads through this MediaAgent; else any.")
    ] = None,
    streams: Annotated[
        int | None,
        typer.Option("--streams", min=1, max=256, help="So many, as far as the limits allow."),
    ] = None,
    no_scalable: Annotated[
        bool, _flag("--no-scalable", "A fixed list and stream map, taken at the start.")
    ] = False,
    jobs_to_process: Annotated[
        int | None,
        typer.Option("--jobs-to-process", min=1, max=1_000_000, help="Per batch; 1000."),
    ] = None,
    skip_failed_verification: Annotated[
        bool, _flag("--skip-failed-verification", "Leave out what failed data verification.")
    ] = False,
    most_recent_full: Annotated[
        bool, _flag("--most-recent-full", "Only the newest full of each subclient.")
    ] = False,
    fulls_first: Annotated[
        bool, _flag("--fulls-first", "Fulls first; three tries, then skip.")
    ] = False,
    throttle: Annotated[str | None, _flag("--throttle", "At most so fast: 200MiB/s.")] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", min=0, max=9, help="0 first, 9 last; 5.")
    ] = None,
    suspended: Annotated[bool, _flag("--suspended", "Start suspended.")] = False,
    description: Annotated[str | None, _flag("--description", "Free text.")] = None,
    retries: Annotated[
        int | None, typer.Option("--retries", min=0, max=1000, help="Attempts after a failure; 8.")
    ] = None,
    total_time: Annotated[str | None, _flag("--total-time", "Running time at most: 6h.")] = None,
    kill_after_total_time: Annotated[
        bool, _flag("--kill-after-total-time", "Kill the job when its time is over.")
    ] = False,
    alert: Annotated[
        str | None, _flag("--alert", "An alert of the site file that tells of this job.")
    ] = None,
    alert_when: Annotated[
        str | None,
        _flag("--alert-when", "ends; errors: not without them; fails. Else: ends."),
    ] = None,
    script: Annotated[str | None, _flag("--script", "Run a saved form, FILE.toml.")] = None,
    settings: Annotated[
        list[str] | None, _flag("--set", "Override a value of the script: key=value.")
    ] = None,
    save_script: Annotated[
        str | None, _flag("--save-script", "Save the form to FILE.toml and run nothing.")
    ] = None,
    schedule: Annotated[
        str | None,
        _flag("--schedule", "Not now but daily at 22:00, every 30m, ...; see the guide."),
    ] = None,
    name: Annotated[str | None, _flag("--name", "The name of the schedule.")] = None,
    time_zone: Annotated[
        str | None, _flag("--time-zone", "Of the schedule; else that of the CommCell.")
    ] = None,
    dry_run: Annotated[
        bool, _flag("--dry-run", "Print the plan: each backup job, taken or not, and why.")
    ] = False,
    wait: Annotated[bool, _flag("--wait", "Wait for the end; its exit code is the job's.")] = False,
    here: HereOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run an auxiliary copy of a policy: every active secondary copy, or those named.

    Prints the job id (with --json the job).
    """
    terms = terms_of(ctx, home, as_json)
    if settings and script is None:
        raise UsageError("--set changes a script, and there is none", hint="name it with --script")
    if here and not wait:
        raise UsageError("--here runs the job inside this command", hint="add --wait")
    _refuse_mixed(schedule, name or time_zone, runs_or_saves=wait or save_script is not None)
    given = {
        "copies": tuple(name_of(each, "copy") for each in copy) if copy else None,
        "source_media_agent": name_of(source_media_agent, "MediaAgent") or None,
        "streams": streams,
        "scalable": False if no_scalable else None,
        "jobs_to_process": jobs_to_process,
        "skip_failed_verification": skip_failed_verification or None,
        "use_most_recent_full": most_recent_full or None,
        "fulls_first": fulls_first or None,
        "throttle_bps": None if throttle is None else parse_rate(throttle),
        "priority": priority,
        "start_suspended": suspended or None,
        "description": None if description is None else name_of(description, "description"),
        "retries": retries,
        "total_time_s": None if total_time is None else parse_duration(total_time),
        "kill_after_total_time": kill_after_total_time or None,
        "alert": None if alert is None else name_of(alert, "alert"),
        "alert_when": alert_when,
    }
    of_policy, options = _form(policy, script, settings or [], given)
    if schedule is not None:
        from auxtui.cli.scheduling import make_schedule

        make_schedule(
            terms,
            of_policy,
            options,
            when=schedule,
            name=name,
            time_zone=time_zone,
            dry_run=dry_run,
        )
    elif save_script is not None:
        _save(terms, of_policy, options, save_script)
    elif dry_run:
        _preview(terms, of_policy, options)
    else:
        raise typer.Exit(_run(terms, of_policy, options, wait=wait, here=here))


def _refuse_mixed(schedule: str | None, of_schedule: str | None, *, runs_or_saves: bool) -> None:
    if schedule is None and of_schedule:
        raise UsageError("there is no schedule to name", hint='add --schedule "daily at 22:00"')
    if schedule is not None and runs_or_saves:
        raise UsageError(
            "--schedule runs and saves nothing now", hint="leave --wait and --save-script out"
        )


def _form(
    policy: str | None, script: str | None, settings: list[str], given: dict[str, Any]
) -> tuple[str, RunOptions]:
    """The script with its overrides, then what the command line says itself."""
    from engine.policy.values import RunOptions

    named, options = "", RunOptions()
    if script is not None:
        from engine.site.run_form import read_script
        from engine.site.toml_text import read_toml_file

        named, options = read_script(read_toml_file(script), script, tuple(settings))
    name = name_of(policy, "policy") or named
    if not name:
        raise UsageError("no policy is named", hint="auxtui auxcopy POLICY, or --script FILE.toml")
    stated = {key: value for key, value in given.items() if value is not None}
    return name, replace(options, **stated)


def _save(terms: Terms, policy: str, options: RunOptions, file: str) -> None:
    from engine.control import frontdoor
    from engine.site.run_form import save_script

    frontdoor.preview(terms.home, policy, options)  # a form that cannot run is not saved
    save_script(file, policy, options)
    if terms.as_json:
        write_json({"script": file})
    else:
        say(f"saved; run it with: auxtui auxcopy --script {file}")


def _preview(terms: Terms, policy: str, options: RunOptions) -> None:
    from auxtui.cli.plans import show_plan
    from engine.control import frontdoor

    plan = frontdoor.preview(terms.home, policy, options)
    if terms.as_json:
        lines = plan.pop("backup_jobs")
        write_json_list(plan, "backup_jobs", lines)
    else:
        show_plan(plan, terms.times())


def _run(terms: Terms, policy: str, options: RunOptions, *, wait: bool, here: bool) -> int:
    from auxtui.cli.waiting import wait_and_report
    from engine.control import frontdoor

    def start() -> int:
        return frontdoor.run_auxcopy(terms.home, policy, options, by=whoami())

    if here:
        from auxtui.cli.here import run_here

        return run_here(terms.home, lambda: wait_and_report(terms, start(), here=True))
    job_id = start()
    if wait:
        return wait_and_report(terms, job_id)
    if terms.as_json:
        from engine.catalog.live_documents import job_document

        with terms.live() as live:
            write_json(job_document(live.job(job_id)))
    else:
        say(str(job_id))
        if held := frontdoor.held_back(terms.home, job_id):
            tell(f"job {job_id} is {held}")
    return 0
