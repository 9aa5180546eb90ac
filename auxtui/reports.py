"""The reports of the tree: copies with their forecast, what is wrong, the jobs of the last hours. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auxtui import columns as col
from auxtui import tree
from auxtui.alerts import alarm_row
from auxtui.columns import Column
from auxtui.health import Trouble
from auxtui.present import Cell, Fact, Look, Row, Tone
from auxtui.trend import trend_row
from engine.catalog.live_values import Estate
from engine.catalog.watch_values import AlarmValue
from engine.model.states import CopyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A node's content."""

    columns: Sequence[Column]
    rows: Sequence[Row] = ()
    facts: Sequence[Fact] = ()
    empty: str = ""
    paged: bool = False
    """The rows come in pages."""


def report(
    key: tree.Key,
    estate: Estate,
    look: Look,
    troubles: Sequence[Trouble],
    alarms: Sequence[AlarmValue],
) -> Contents:
    """What a report says; the group of them lists them."""
    if key == ("report", tree.BEHIND_REPORT):
        return Contents(
            columns=col.TREND,
            rows=[
                trend_row(copy, look)
                for copy in estate.copies()
                if copy.kind != CopyKind.PRIMARY and copy.active
            ],
            facts=[
                ("Copies", Cell("what each owes and when it is caught up; 7 plots it", Tone.MUTED))
            ],
            empty="there is no active secondary copy",
        )
    if key == ("report", tree.TROUBLE_REPORT):
        return Contents(
            columns=col.TROUBLES,
            rows=[_trouble_row(number, trouble, look) for number, trouble in enumerate(troubles)],
            empty="all is well",
        )
    if key == ("report", tree.ALARM_REPORT):
        return Contents(
            columns=col.ALARMS,
            rows=[alarm_row(alarm, look) for alarm in alarms],
            empty="no alarm stands",
        )
    if key == ("report", tree.JOBS_REPORT):
        facts = [("Jobs", Cell("that have ended, the last one first; 3 has filters", Tone.MUTED))]
        return Contents(columns=col.HISTORY, facts=facts, empty="no job has ended yet", paged=True)
    return Contents(
        columns=col.REPORTS,
        rows=[
            Row(("report", number), (Cell(name),)) for number, name in enumerate(tree.REPORT_NAMES)
        ],
    )


def _trouble_row(number: int, trouble: Trouble, look: Look) -> Row:
    sign, tone = tree.grade_sign(trouble.grade, look.glyphs)
    return Row(
        ("trouble", number), (Cell(sign, tone), Cell(trouble.text, tone), Cell(trouble.hint))
    )
