"""The preview of data aging as rows: what would go, what stays, and who holds it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from auxtui import format as fmt
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Look, Row, Tone

Document = Mapping[str, Any]
VIEWS = ("all", "would go", "held for another copy", "stays", "stopped by the fuse")
_WORDS = {
    "would go": "goes",
    "held for another copy": "held",
    "stays": "stays",
    "stopped by the fuse": "fuse",
}
"""A view in the few cells of a row."""


def lines_of(document: Document, view: str, text: str) -> list[Mapping[str, Any]]:
    """The job copies of a view in which a text is found."""
    wanted = text.lower()
    return [
        one
        for one in document.get("job_copies", ())
        if view in ("all", view_of(one)) and (not wanted or wanted in _text(one))
    ]


def view_of(line: Mapping[str, Any]) -> str:
    """Whether a job copy would go, only the fuse stops it, another copy holds it, or its retention."""
    if line["ages"]:
        return "would go"
    if line.get("stopped"):
        return "stopped by the fuse"
    return "held for another copy" if str(line["retained_by"]).startswith("copy ") else "stays"


def _text(line: Mapping[str, Any]) -> str:
    return (
        f"{line['backup_job_id']} {line['policy']}/{line['copy']} {line['client']}/"
        f"{line['subclient']} {line['reason']}"
    ).lower()


def going(document: Document) -> list[Mapping[str, Any]]:
    """The job copies that would go."""
    return [one for one in document.get("job_copies", ()) if one["ages"]]


def stopped(document: Document) -> list[Mapping[str, Any]]:
    """The job copies that only the deletion fuse keeps from going."""
    return [one for one in document.get("job_copies", ()) if one.get("stopped")]


def fuse_words(document: Document) -> list[str]:
    """What the deletion fuse has stopped, and why; in inert lines."""
    return [
        safe(
            f"{fuse['policy']}/{fuse['copy']}"
            f"{' for ' + fuse['subclient'] if fuse['subclient'] else ''}: {fuse['reason']}"
        )
        for fuse in document.get("fuses", ())
    ]


def held(document: Document) -> list[Mapping[str, Any]]:
    """The job copies that only another copy keeps from going."""
    lines = document.get("job_copies", ())
    return [one for one in lines if view_of(one) == "held for another copy"]


def size_of(lines: Sequence[Mapping[str, Any]]) -> str:
    """Bytes of some job copies."""
    return fmt.size(sum(int(one["bytes"]) for one in lines))


def aging_row(number: int, line: Mapping[str, Any], look: Look) -> Row:
    """A job copy; the order is that of `columns.AGING`."""
    goes = line["ages"]
    view = view_of(line)
    sign = look.glyphs.killed if goes else look.glyphs.done
    tone = Tone.WARN if goes or line.get("stopped") else Tone.MUTED
    until = line.get("retain_until")
    return Row(
        number,
        (
            Cell(f"{sign} {_WORDS[view]}", tone),
            Cell(str(line["backup_job_id"])),
            Cell(safe(f"{line['policy']}/{line['copy']}")),
            Cell(safe(f"{line['client']}/{line['subclient']}")),
            Cell(fmt.size(int(line["bytes"]))),
            Cell(safe(str(line["reason"]))),
            Cell(look.time(datetime.fromisoformat(until)) if until else "-", Tone.MUTED),
            Cell(safe(str(line["level"])), Tone.MUTED),
        ),
    )


def aging_facts(document: Document | None, view: str) -> list[Fact]:
    """The totals, and what stops it."""
    if document is None:
        return [("Data aging", Cell("deciding what would go", Tone.MUTED))]
    gone, kept = going(document), held(document)
    facts: list[Fact] = [
        (
            "Would go",
            Cell(
                f"{fmt.count(len(gone), 'job copy')}, {size_of(gone)}",
                Tone.WARN if gone else Tone.OK,
            ),
        ),
        ("Held", Cell(f"{fmt.count(len(kept), 'job copy')} only for a copy that waits for it")),
        *_stopped_facts(document),
        ("Shown", Cell(f"{view} (f)", Tone.STRONG)),
    ]
    return facts + [("Fuse", Cell(text, Tone.BAD)) for text in fuse_words(document)]


def _stopped_facts(document: Document) -> list[Fact]:
    lines = stopped(document)
    if not lines:
        return []
    text = (
        f"{fmt.count(len(lines), 'job copy')}, {size_of(lines)}, by the deletion fuse; if it is"
        " right, r and the name let them go"
    )
    return [("Stopped", Cell(text, Tone.WARN))]
