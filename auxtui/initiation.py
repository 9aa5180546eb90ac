"""What a way to begin a run means: the next runs of a schedule, the file of a script, what is wrong with it.

Imports the grammar of schedules, and the fields of the dialog, when it is asked, not for the first paint.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from auxtui.inert import safe
from auxtui.present import Cell, Fact, Look, Tone
from engine.catalog.rule_values import ScheduleValue
from engine.model.errors import UsageError

if TYPE_CHECKING:
    from auxtui.run_form import Initiation

SHOWN_RUNS = 5


def wrong_fields(initiation: Initiation, look: Look) -> dict[str, str]:
    """What cannot be in the fields of a schedule or a script, by the name of the field."""
    from auxtui.run_fields import AUTOMATIC, SCHEDULE, SCRIPT

    if initiation.kind == SCRIPT:
        return _wrong_file(initiation.file)
    if initiation.kind not in (SCHEDULE, AUTOMATIC):
        return {}
    from engine.policy.schedule import refuse_never
    from engine.policy.zones import zone_of

    zone = initiation.time_zone or "UTC"
    try:
        zone_of(zone)
    except UsageError as err:
        return {"schedule_zone": f"Time zone: {_said(err)}"}
    try:
        refuse_never(initiation.when, zone, look.clock())
    except UsageError as err:
        return {"schedule_when": f"When: {_said(err)}"}
    return {}


def _wrong_file(name: str) -> dict[str, str]:
    path = Path(name).expanduser()
    if path.exists():
        return {"script_file": f"File of the script: {safe(name)} is there already: name another"}
    if not path.absolute().parent.is_dir():
        return {
            "script_file": f"File of the script: there is no directory {safe(str(path.parent))}"
        }
    return {}


def _said(error: UsageError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def initiation_facts(initiation: Initiation, look: Look) -> list[Fact]:
    """A way to begin in words; of a schedule also its next runs.

    Args:
        initiation: without wrong fields.
        look: for times in the zone of this console.
    """
    from auxtui.run_fields import NOW, SCRIPT

    if initiation.kind == NOW:
        return [("Then", Cell("one job starts; it goes on when this console ends"))]
    if initiation.kind == SCRIPT:
        path = Path(initiation.file).expanduser().absolute()
        return [
            ("Writes", Cell(safe(str(path)))),
            ("Runs with", Cell(safe(f"auxtui auxcopy --script {initiation.file}"))),
            (" ", Cell("--set key=value overrides a value of it, --dry-run shows its plan")),
        ]
    return schedule_facts(initiation.when, initiation.time_zone or "UTC", look)


def schedule_facts(when: str, time_zone: str, look: Look) -> list[Fact]:
    """A schedule in words and its next five runs, in its own zone and in that of this console."""
    from engine.policy.schedule_text import FORMS

    facts = [("In words", Cell(_in_words(when, time_zone), Tone.STRONG))]
    facts += run_facts(when, time_zone, look)
    facts.append(("Also", Cell("; ".join(FORMS[:6]) + " ...", Tone.MUTED)))
    return facts


def next_run_facts(schedule: ScheduleValue, look: Look) -> list[Fact]:
    """The next five runs of a schedule that is there."""
    try:
        words = _in_words(schedule.spec, schedule.time_zone)
        runs = run_facts(schedule.spec, schedule.time_zone, look)
    except UsageError as err:
        return [("In words", Cell(_said(err), Tone.BAD))]
    return [("In words", Cell(words)), *(runs if schedule.enabled else ())]


@lru_cache(maxsize=64)
def _in_words(when: str, time_zone: str) -> str:
    from engine.policy.schedule import describe

    return describe(when, time_zone)


@lru_cache(maxsize=64)
def _runs(when: str, time_zone: str, after: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """The next runs: the instant, and what a clock in the zone shows."""
    from engine.policy.schedule import next_runs
    from engine.policy.zones import wall_of, zone_of

    zone = zone_of(time_zone)
    runs = next_runs(when, time_zone, after, SHOWN_RUNS)
    return tuple((run, wall_of(run, zone)) for run in runs)


def run_facts(when: str, time_zone: str, look: Look) -> list[Fact]:
    """The next five runs of a schedule, in its own zone and, where that differs, in that of this console."""
    facts: list[Fact] = []
    now = look.clock().replace(second=0, microsecond=0)
    for run, wall in _runs(when, time_zone, now):
        here = run.astimezone(look.zone)
        same_day = here.date() == wall.date()
        there = f"{wall:%a %Y-%m-%d %H:%M}"
        if not (same_day and here.hour == wall.hour):
            shown = f"{here:%H:%M}" if same_day else f"{here:%a %H:%M}"
            there += f" {time_zone}; here {shown}"
        facts.append((" " if facts else "Next runs", Cell(there)))
    return facts or [("Next runs", Cell("by an event, at no fixed time"))]
