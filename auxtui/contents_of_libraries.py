"""What libraries and one library hold, as columns, rows and facts. Part of `contents`. Pure."""

from __future__ import annotations

from auxtui import columns as col
from auxtui import format as fmt
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Look, Tone, copy_row, library_row, library_state
from auxtui.reports import Contents
from engine.catalog.live_values import Estate, LiveLibrary


def libraries(estate: Estate, look: Look) -> Contents:
    return Contents(
        columns=col.LIBRARIES,
        rows=[library_row(library, look) for library in estate.libraries],
        empty="no libraries yet: n makes one; or `auxtui apply FILE.toml`",
    )


def library_contents(library: LiveLibrary, estate: Estate, look: Look) -> Contents:
    copies = [copy for copy in estate.copies() if copy.library_id == library.id]
    return Contents(
        columns=col.COPIES,
        rows=[copy_row(copy, look, with_policy=True) for copy in copies],
        facts=library_facts(library, look),
        empty="no copy uses this library",
    )


def library_facts(library: LiveLibrary, look: Look) -> list[Fact]:
    """A library in a few lines."""
    state = library_state(library.state, look)
    reason = f": {safe(library.state_reason)}" if library.state_reason else ""
    space = "not known"
    if library.total_bytes and library.free_bytes is not None:
        used = fmt.percent(library.total_bytes - library.free_bytes, library.total_bytes)
        space = (
            f"{fmt.size(library.free_bytes)} free of {fmt.size(library.total_bytes)}, {used}% used"
        )
    agents = safe(", ".join(library.media_agents)) or "none: no data path"
    shared = " (shared)" if len(library.media_agents) > 1 else ""
    return [
        (safe(library.name), Cell(f"{state.text}{reason}", state.tone)),
        ("Place", Cell(safe(library.url))),
        ("Space", Cell(space)),
        ("Reached by", Cell(f"{agents}{shared}; {fmt.count(library.writers, 'writer')} at most")),
        ("Looked at", Cell(look.time(library.checked_at))),
        *_line_facts(library, look),
    ]


def _line_facts(library: LiveLibrary, look: Look) -> list[Fact]:
    """The line to a library on another host, and what went wrong last."""
    facts: list[Fact] = []
    line = library.line
    if line is not None:
        latency = "" if line.latency_ms is None else f", round trip {line.latency_ms:.1f} ms"
        # Those that were open at the last look: of a line that was idle then they say nothing.
        open_then = f", {fmt.count(line.connections, 'connection')}" if line.connections else ""
        facts.append(("Line", Cell(f"{safe(line.peer)}{latency}{open_then}")))
        facts += [("Limits", Cell(safe("; ".join(line.limits))))] if line.limits else []
        facts += [("Lacks", Cell(safe("; ".join(line.lacks)), Tone.WARN))] if line.lacks else []
    if library.last_error:
        when = look.time(library.last_error_at)
        facts.append(("Last error", Cell(f"{when}: {safe(library.last_error)}", Tone.MUTED)))
    return facts
