"""Lists of rows in one field: periods of a week, extended retention, throttle timetables. Pure.

`mon-fri 08:00-18:00; sat 00:00-24:00` and back. What a day or a time means is judged by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from auxtui.form import words
from engine.model.errors import UsageError
from engine.model.names import shown

Rows = list[dict[str, str]]
PERIODS_HINT = "e.g. mon-fri 08:00-18:00; all 22:00-06:00; all 00:00-24:00 on 2026-12-24"
_PERIOD = re.compile(
    r"(?:(?P<days>[A-Za-z,-]+) )?(?P<from>\d{1,2}:\d{2}) ?- ?(?P<to>\d{1,2}:\d{2})"
    r"(?: (?P<limit>[0-9.]+ ?[A-Za-z]+/s))?"
    r"(?: on (?P<first>\S+?)(?:\.\.(?P<last>\S+))?)?"
)


def pairs_from(text: str) -> dict[str, str]:
    """A table of texts: `there=/net/vault, far=sftp://far/srv`.

    Raises:
        UsageError: a part is no pair.
    """
    pairs: dict[str, str] = {}
    for part in words(text):
        name, separator, value = part.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise UsageError(
                f'"{shown(part[:40])}" is not NAME=PLACE', hint="e.g. there=/net/vault"
            )
        pairs[name.strip()] = value.strip()
    return pairs


def pairs_text(table: Mapping[str, Any]) -> str:
    """The inverse of `pairs_from`."""
    return ", ".join(f"{name}={value}" for name, value in table.items())


def periods_from(text: str, *, with_limit: bool = False) -> Rows:
    """Periods as rows of the site file.

    Args:
        text: separated by semicolons.
        with_limit: each has a rate as well.

    Raises:
        UsageError: one has not the shape of a period.
    """
    rows: Rows = []
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        found = _PERIOD.fullmatch(part)
        hint = PERIODS_HINT
        if with_limit:
            hint = "e.g. mon-fri 08:00-18:00 50MiB/s; all 18:00-24:00 200MiB/s"
        if found is None or with_limit != bool(found["limit"]):
            raise UsageError(f'"{shown(part[:40])}" is not a period', hint=hint)
        row = {"days": found["days"] or "all", "from": found["from"], "to": found["to"]}
        if found["first"]:
            row |= {"first_day": found["first"], "last_day": found["last"] or found["first"]}
        if with_limit:
            row["limit"] = found["limit"]
        rows.append(row)
    return rows


def periods_text(rows: Sequence[dict[str, Any]]) -> str:
    """The inverse of `periods_from`."""
    return "; ".join(_period_text(row) for row in rows)


def _period_text(row: dict[str, Any]) -> str:
    text = f"{row.get('days', 'all')} {row['from']}-{row['to']}"
    if row.get("limit"):
        text += f" {row['limit']}"
    first, last = row.get("first_day"), row.get("last_day")
    if first or last:
        text += f" on {first or last}" if first == last or not last else f" on {first}..{last}"
    return text


def throttle_from(text: str) -> str | Rows | None:
    """A rate, a timetable of rates, or none."""
    if not text.strip():
        return None
    return periods_from(text, with_limit=True) if ":" in text else text.strip()


def throttle_text(value: Any) -> str:
    """The inverse of `throttle_from`."""
    return periods_text(value) if isinstance(value, list) else str(value or "")


def extended_from(text: str) -> Rows:
    """`monthly 1y, yearly 7y` as rows of the site file.

    Raises:
        UsageError: one is not a rule and a time.
    """
    rows: Rows = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        keep, _, retain = part.partition(" ")
        if not retain.strip():
            raise UsageError(
                f'"{shown(part[:40])}" is not a rule and a time', hint="e.g. monthly 1y, yearly 7y"
            )
        rows.append({"keep": keep, "retain": retain.strip()})
    return rows


def extended_text(rows: Sequence[dict[str, Any]]) -> str:
    """The inverse of `extended_from`."""
    return ", ".join(f"{row['keep']} {row['retain']}" for row in rows)
