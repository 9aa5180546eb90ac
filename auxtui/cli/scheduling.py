"""Makes a schedule of a run that was said as a command: `auxtui auxcopy POLICY --schedule WHEN`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auxtui.cli.output import say, tell, write_json, write_text
from auxtui.cli.terms import Terms
from auxtui.cli.words import name_of
from engine.model.errors import UsageError

if TYPE_CHECKING:
    from engine.policy.values import RunOptions


def make_schedule(
    terms: Terms,
    policy: str,
    options: RunOptions,
    *,
    when: str,
    name: str | None,
    time_zone: str | None,
    dry_run: bool,
) -> None:
    """Adds the schedule to the configuration and prints its table for the site file.

    Args:
        terms: whose CommCell, and how to answer.
        policy: the storage policy.
        options: of each run.
        when: as in a site file, `daily at 22:00`.
        name: of the schedule.
        time_zone: IANA name; None: that of the CommCell.
        dry_run: only print the table.
    """
    from engine.catalog.opening import open_catalog
    from engine.control import frontdoor
    from engine.model.clock import system_clock
    from engine.policy.schedule import describe
    from engine.site.scheduling import NewSchedule, add_schedule

    if not name:
        raise UsageError("--schedule needs a name", hint="add --name, e.g. --name nightly")
    frontdoor.preview(terms.home, policy, options)  # a run that would be refused is not scheduled
    wanted = NewSchedule(
        name=name_of(name, "schedule"),
        policy=policy,
        when=name_of(when, "schedule"),
        options=options,
        time_zone=name_of(time_zone, "time zone"),
    )
    with open_catalog(terms.home) as catalog:
        table = add_schedule(catalog, wanted, dry_run=dry_run, now=system_clock())
    if terms.as_json:
        write_json({"schedule": name, "made": not dry_run, "table": table})
        return
    write_text(table)
    with terms.live() as live:
        zone = wanted.time_zone or live.estate().time_zone
    say(f"# {describe(wanted.when, zone)}")
    if dry_run:
        tell("nothing was changed: --dry-run")
    else:
        tell("made. Add the table to your site file, or its next apply removes the schedule")
