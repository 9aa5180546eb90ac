"""The preview of data aging as rows: what would go, what stays, and who holds it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from auxtui import format as fmt
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Look, Row, Tone

Document = Mapping[str, Any]
VIEWS = ("all", "would go", "held for another copy", "stays")


def lines_of(document: Document, view: str, text: str) -> list[Mapping[str, Any]]:
    """The job copies of a view in which a text is found."""
    wanted = text.lower()
    return [
        one
        for one in document.get("job_copies", ())
        if view in ("all", view_of(one)) and (not wanted or wanted in _text(one))
    ]


def view_of(line: Mapping[str, Any]) -> str:
    """Whether a job copy would go, is held for another copy, or stays by its retention."""
    if line["ages"]:
        return "would go"
    return "held for another copy" if str(line["retained_by"]).startswith("copy ") else "stays"


def _text(line: Mapping[str, Any]) -> str:
    return (
        f"{line['backup_job_id']} {line['policy']}/{line['copy']} {line['client']}/"
        f"{line['subclient']} {line['reason']}"
    ).lower()


def going(document: Document) -> list[Mapping[str, Any]]:
    """The job copies that would go."""
    return [one for one in document.get("job_copies", ()) if one["ages"]]


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
    tone = Tone.WARN if goes else Tone.MUTED
    until = line.get("retain_until")
    return Row(
        number,
        (
            Cell(f"{sign} {'goes' if goes else 'held' if view != 'stays' else 'stays'}", tone),
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
    for fuse in document.get("fuses", ()):
        whose = f" for {fuse['subclient']}" if fuse["subclient"] else ""
        text = f"{fuse['policy']}/{fuse['copy']}{whose}: {fuse['reason']}"
        facts.append(("Fuse", Cell(safe(text), Tone.BAD)))
    return facts


def _stopped_facts(document: Document) -> list[Fact]:
    stopped = [one for one in document.get("job_copies", ()) if one.get("stopped")]
    if not stopped:
        return []
    text = f"{fmt.count(len(stopped), 'job copy')}, {size_of(stopped)}, by the deletion fuse"
    return [("Stopped", Cell(text, Tone.WARN))]
