"""Prints the plan of a run: before it as a preview, after it as its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from auxtui import format as fmt
from auxtui.cli.output import say, tell, write_table
from auxtui.cli.times import Times


def show_plan(plan: Mapping[str, Any], times: Times) -> None:
    """Prints each backup job, taken or not and why, and the totals."""
    write_table(
        ["job", "client", "subclient", "level", "copy", "", "size", "reason"],
        _Rows(plan["backup_jobs"]),
        numbers=["job", "size"],
        names=["client", "subclient", "copy"],
        least=["level", "subclient", "client"],
    )
    for line in totals(plan):
        say(line)
    if plan.get("streams"):
        say(f"streams: {plan['streams']}, limited by {plan.get('streams_limited_by', '')}")
    for path in plan.get("paths", ()):
        say(f"{', '.join(path['copies'])} through {path['reason']}")
    if plan.get("expected_seconds") is not None and plan.get("bytes_total"):
        say(
            f"takes about {fmt.duration(plan['expected_seconds'])} at the past rate{_before(plan, times)}"
        )
    for warning in plan.get("warnings", []):
        tell(f"warning: {warning}")


class _Rows:
    """The rows of the lines of a plan, each made when it is written: there may be a million.

    Args:
        lines: see `LineDocuments`.
    """

    def __init__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[list[Any]]:
        return map(_row, self._lines)


def _row(line: Mapping[str, Any]) -> list[Any]:
    return [
        line["backup_job_id"],
        line["client"],
        line["subclient"],
        line["level"],
        line["copy"],
        line.get("verdict") or ("taken" if line["taken"] else "skipped"),
        fmt.size(line["bytes"]),
        line["reason"],
    ]


def _before(plan: Mapping[str, Any], times: Times) -> str:
    fits = plan.get("fits_before")
    if not fits or not fits["fits"]:
        return ""
    at = times.named(datetime.fromisoformat(fits["at"]))
    return f"; {', '.join(fits['windows'])} begins at {at}"


def totals(plan: Mapping[str, Any]) -> list[str]:
    """A sentence for each copy."""
    return [
        f"{total['copy']}: {fmt.count(total['taken'], 'backup job')} "
        f"({fmt.size(total['bytes'])}) taken, {total['skipped']} skipped, "
        f"{total['blocked']} blocked{_following(total)}"
        for total in plan.get("copy_totals", [])
    ]


def _following(total: Mapping[str, Any]) -> str:
    follows = total.get("follows", 0)  # a record of an earlier version has none
    return f"; {follows} of them once the run has them on the source" if follows else ""


def summary(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan without its lines, as a part of the document of a job."""
    return {key: value for key, value in plan.items() if key != "backup_jobs"}
