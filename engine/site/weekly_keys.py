"""Rows of a weekly timetable in the site file: days, from, to."""

from __future__ import annotations

from engine.policy.weekly import parse_clock, parse_days
from engine.site.section import Section

PERIOD_KEYS = ("days", "from", "to")


def check_period(row: Section) -> None:
    """Checks one row; `days` left out means every day, `22:00` to `06:00` passes midnight.

    Raises:
        SiteError: a day or time that does not exist, or a period of no length.
    """
    row.parsed("days", parse_days, None)
    start_text, end_text = row.required("from"), row.required("to")
    start = row.parsed("from", parse_clock, 0)
    end = row.understood("to", lambda: parse_clock(end_text, is_end=True))
    if start == end:
        raise row.error(
            "to",
            f"from {start_text} to {end_text} is no time at all",
            hint='for a whole day write from = "00:00", to = "24:00"',
        )
