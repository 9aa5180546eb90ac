"""The plan of a run as the dialog shows it: in one line, per copy, and each backup job with its reason. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from auxtui import format as fmt
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Look, Row, Tone
from engine.model.names import shown


def plan_sentence(plan: Mapping[str, Any]) -> Cell:
    """A plan in one line."""
    totals = plan.get("copy_totals", ())
    taken = sum(int(t["taken"]) for t in totals)
    skipped = sum(int(t["skipped"]) for t in totals)
    blocked = sum(int(t["blocked"]) for t in totals)
    if not taken and not blocked:
        return Cell(f"nothing to copy now; {fmt.count(skipped, 'backup job')} skipped", Tone.WARN)
    text = (
        f"copies {fmt.count(taken, 'backup job')}, {fmt.size(int(plan.get('bytes_total', 0)))};"
        f" {skipped} skipped"
    )
    if plan.get("streams"):
        text += f"; {fmt.count(int(plan['streams']), 'stream')}"
    if plan.get("held"):
        text = f"held, it does not begin now; {text}"
    if blocked:
        return Cell(f"{blocked} blocked; {text}", Tone.BAD)
    if plan.get("held"):
        return Cell(text, Tone.WARN)
    return Cell(text, Tone.OK)


def started(job_id: int, held: str) -> Cell:
    """What is said of a run that was just asked for.

    Args:
        job_id: its job.
        held: why it does not begin now; empty: it does.
    """
    if held:
        return Cell(f"job {job_id} is {safe(held)}", Tone.WARN)
    return Cell(f"job {job_id} has started; it goes on when this console ends", Tone.OK)


def plan_facts(plan: Mapping[str, Any]) -> list[Fact]:
    """The totals of a plan, per copy."""
    facts: list[Fact] = []
    for total in plan.get("copy_totals", ()):
        blocked, follows = int(total["blocked"]), int(total.get("follows", 0))
        text = (
            f"{fmt.count(int(total['taken']), 'backup job')}, {fmt.size(int(total['bytes']))};"
            f" {total['skipped']} skipped"
            + (f", {blocked} blocked" if blocked else "")
            + (f"; {follows} once the source has them" if follows else "")
        )
        facts.append((safe(str(total["copy"])), Cell(text, Tone.BAD if blocked else Tone.PLAIN)))
    if plan.get("streams"):
        by = safe(str(plan.get("streams_limited_by", "")))
        because = f", limited by: {by}" if by else ""
        facts.append(("Streams", Cell(fmt.count(int(plan["streams"]), "stream") + because)))
    facts += [
        ("Through", Cell(safe(str(path["reason"]))))
        for path in plan.get("paths", ())
        if len(path["media_agents"]) != 1 or ";" in path["reason"]
    ]
    facts += [("warning", Cell(safe(str(w)), Tone.WARN)) for w in plan.get("warnings", ())]
    return facts or [("Plan", Cell("there is nothing on the source yet", Tone.WARN))]


def plan_rows(plan: Mapping[str, Any], look: Look) -> list[Row]:
    """Each backup job of a plan, blocked ones first, then taken, following and skipped ones."""
    signs: dict[str, Callable[[], Cell]] = {
        "taken": lambda: Cell(look.glyphs.done, Tone.OK),
        "follows": lambda: Cell(look.glyphs.done, Tone.MUTED),
        "blocked": lambda: Cell(look.glyphs.failed, Tone.BAD),
        "skipped": lambda: Cell(look.glyphs.waiting, Tone.MUTED),
    }
    order = {"blocked": 0, "taken": 1, "follows": 2, "skipped": 3}
    lines = sorted(plan.get("backup_jobs", ()), key=lambda line: order[_verdict(line)])
    return [
        Row(
            (line["backup_job_id"], line["copy"]),
            (
                signs[_verdict(line)](),
                Cell(str(line["backup_job_id"])),
                Cell(safe(str(line["copy"]))),
                Cell(shown(f"{line['client']}/{line['subclient']}")),
                Cell(safe(str(line["level"])), Tone.MUTED),
                Cell(fmt.size(int(line["bytes"]))),
                Cell(safe(str(line["reason"]))),
            ),
        )
        for line in lines
    ]


def _verdict(line: Mapping[str, Any]) -> str:
    return str(line.get("verdict") or ("taken" if line.get("taken") else "skipped"))
