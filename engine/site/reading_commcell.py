"""The CommCell of the site file: its name, its zone, and the settings that all of it shares."""

from __future__ import annotations

from collections.abc import Callable

from engine.policy.backlog import BehindLimits
from engine.policy.durations import format_duration, format_size, parse_duration, parse_size
from engine.policy.periods import WEEKDAYS
from engine.policy.weekly import format_clock, parse_clock
from engine.site.configuration import (
    DEFAULT_COMMCELL,
    DEFAULT_ZONE,
    HISTORY_S,
    CommCellItem,
    JsonTable,
)
from engine.site.section import Section

NEVER = "never"
WEEK_STARTS = tuple(day.lower() for day in WEEKDAYS)
LAST_MONTH_START = 28  # every month has it
MOST_YIELD = 99  # percent; a host never waits all of the time for something else
BEHIND_KEYS = ("behind_size", "behind_age", "behind_time")
COMMCELL_KEYS = (
    "name",
    "time_zone",
    "queue_conflicting_auxcopy_jobs",
    "auxcopy_not_pick_new_backups",
    "day_starts",
    "week_starts",
    "month_starts",
    *BEHIND_KEYS,
    "keep_history",
    "age_identity_files",
    "yield_percent",
)
_PLAIN = CommCellItem()


def read_commcell(root: Section) -> CommCellItem:
    """The table `commcell`; defaults where it says nothing."""
    section = root.table("commcell", COMMCELL_KEYS)
    week_start = section.choice("week_starts", WEEK_STARTS[_PLAIN.week_start], WEEK_STARTS)
    return CommCellItem(
        name=section.text("name", DEFAULT_COMMCELL),
        time_zone=section.zone(DEFAULT_ZONE),
        queue_conflicting_auxcopy_jobs=section.flag("queue_conflicting_auxcopy_jobs", True),
        auxcopy_not_pick_new_backups=section.flag("auxcopy_not_pick_new_backups", False),
        day_start_s=60 * section.parsed("day_starts", parse_clock, 0),
        week_start=WEEK_STARTS.index(week_start),
        month_start_day=section.integer("month_starts", 1, 1, LAST_MONTH_START),
        behind=BehindLimits(
            size_bytes=_limit(section, "behind_size", parse_size, _PLAIN.behind.size_bytes),
            age_s=_limit(section, "behind_age", parse_duration, _PLAIN.behind.age_s),
            time_s=_limit(section, "behind_time", parse_duration, _PLAIN.behind.time_s),
        ),
        history_s=_limit(section, "keep_history", parse_duration, HISTORY_S),
        age_identity_files=_read_identity_files(section),
        yield_percent=section.integer("yield_percent", 0, 0, MOST_YIELD) or None,
    )


def read_own_limits(section: Section) -> JsonTable:
    """The limits of falling behind that a policy has of its own."""
    own: JsonTable = {}
    if "behind_size" in section:
        own["size_bytes"] = _limit(section, "behind_size", parse_size, None)
    if "behind_age" in section:
        own["age_s"] = _limit(section, "behind_age", parse_duration, None)
    if "behind_time" in section:
        own["time_s"] = _limit(section, "behind_time", parse_duration, None)
    return own


def own_limits_table(own: JsonTable) -> JsonTable:
    """The inverse of `read_own_limits`."""
    table: JsonTable = {}
    if "size_bytes" in own:
        table["behind_size"] = _size_or_never(own["size_bytes"])
    if "age_s" in own:
        table["behind_age"] = _span_or_never(own["age_s"])
    if "time_s" in own:
        table["behind_time"] = _span_or_never(own["time_s"])
    return table


def _size_or_never(size_bytes: int | None) -> str:
    return NEVER if size_bytes is None else format_size(size_bytes, exact=True)


def _span_or_never(seconds: int | None) -> str:
    return NEVER if seconds is None else format_duration(seconds)


def _read_identity_files(section: Section) -> tuple[str, ...]:
    """Paths only: a key that stands in the file itself is refused, and not repeated."""
    files = section.texts("age_identity_files")
    for number, path in enumerate(files):
        if not path.startswith("/"):
            raise section.site.error(
                (*section.path, "age_identity_files", number),
                "is not an absolute path",
                hint="the path of a file of keys with mode 0600; a key never stands here",
            )
    return files


def _limit(
    section: Section, key: str, parse: Callable[[str], int], default: int | None
) -> int | None:
    if section.text(key) == NEVER:
        return None
    return section.parsed(key, parse, default)


def commcell_table(item: CommCellItem) -> JsonTable:
    """The inverse of `read_commcell`: every key, defaults included."""
    behind = item.behind
    return {
        "name": item.name,
        "time_zone": item.time_zone,
        "queue_conflicting_auxcopy_jobs": item.queue_conflicting_auxcopy_jobs,
        "auxcopy_not_pick_new_backups": item.auxcopy_not_pick_new_backups,
        "day_starts": format_clock(item.day_start_s // 60),
        "week_starts": WEEK_STARTS[item.week_start],
        "month_starts": item.month_start_day,
        "behind_size": _size_or_never(behind.size_bytes),
        "behind_age": _span_or_never(behind.age_s),
        "behind_time": _span_or_never(behind.time_s),
        "keep_history": _span_or_never(item.history_s),
        "age_identity_files": list(item.age_identity_files),
        "yield_percent": item.yield_percent or 0,
    }
