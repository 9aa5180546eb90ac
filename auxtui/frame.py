"""Title, status line and key hints of every screen; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from rich.cells import cell_len

from auxtui import format as fmt
from auxtui.actions import Action, key_name, keys_of
from auxtui.contents import Moment
from auxtui.feed_values import Pulse
from auxtui.gates import Gate
from auxtui.health import Trouble, has_died
from auxtui.inert import safe
from auxtui.present import Cell, Look, Tone
from auxtui.tree import grade_sign
from engine.catalog.live_values import Estate
from engine.catalog.watch_values import AlarmValue
from engine.model.errors import AuxError
from engine.model.states import JobState, SubclientKind

VIEWS = "1-8"
FLASH_S = 8.0  # so long the answer to an action stays in the status line, at least
READ_A_SECOND = 12  # cells; of a long answer, by whoever is tired
KEPT_ANSWERS = 8  # below what is wrong: an answer that was missed is looked up there


class Said(NamedTuple):
    """An answer to an action, as the status line said it."""

    at: datetime
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the console knows now, for every screen."""

    estate: Estate | None = None
    pulse: Pulse | None = None
    catalog_error: AuxError | None = None
    alarms: tuple[AlarmValue, ...] = ()
    """What the service has raised and what has not cleared, the newest first."""
    gates: tuple[Gate, ...] = ()
    """MediaAgents, and nodes with a rule of their own, as windows and activity control have them now."""
    incomplete: Mapping[int, int] = field(default_factory=dict)
    """Per copy id how many of its job copies lack something that lay there."""
    troubles: tuple[Trouble, ...] = ()
    flash: Cell | None = None
    said: tuple[Said, ...] = ()
    """The last answers to actions, the newest first."""
    paused: bool = False


def with_answer(state: State, cell: Cell, at: datetime) -> State:
    """The status line says something else; what came of an action is kept for a while."""
    said = state.said
    if cell.tone is not Tone.PLAIN:  # else it only was asked for, or left
        others = (one for one in said if one.cell != cell)
        said = (Said(at, cell), *others)[:KEPT_ANSWERS]
    return replace(state, flash=cell, said=said)


def reading_s(cell: Cell) -> float:
    """Seconds for which an answer stays in the status line."""
    return max(FLASH_S, cell_len(cell.text) / READ_A_SECOND)


def is_configured(estate: Estate | None) -> bool:
    """Something stands in it that First Steps would not know of."""
    return estate is not None and bool(estate.policies or estate.libraries or estate.clients)


def landing_policies(estate: Estate | None) -> frozenset[str]:
    """The policies with a landing subclient, which nothing is promoted in."""
    clients = estate.clients if estate is not None else ()
    return frozenset(
        one.policy
        for client in clients
        for one in client.subclients
        if one.kind == SubclientKind.LANDING
    )


def moment_of(state: State) -> Moment:
    """What of the moment the contents of a node show."""
    used = state.pulse.streams_in_use if state.pulse else {}
    return Moment(
        gates=state.gates, troubles=state.troubles, alarms=state.alarms, streams_in_use=used
    )


def title_cells(crumbs: Sequence[str], state: State, look: Look) -> tuple[list[Cell], list[Cell]]:
    """Left: where one is. Right: the jobs and the service."""
    name = state.estate.commcell if state.estate else ""
    if name and look.zone_name:
        name = f"{name} ({look.zone_name})"
    path = [part for part in (name, *crumbs) if part]
    left = [Cell(" auxtui ", Tone.KEY), Cell(safe(" / ".join(path)), Tone.STRONG)]
    right: list[Cell] = []
    if state.paused:
        right.append(Cell(f"{look.glyphs.suspended} paused (p)  ", Tone.WARN))
    if state.pulse is None:
        return left, right
    if state.catalog_error is not None:
        return left, [*right, Cell(f"as it was at {look.time(state.pulse.at)} ", Tone.BAD)]
    running = sum(job.state is JobState.RUNNING for job in state.pulse.active)
    others = len(state.pulse.active) - running
    if running:
        right.append(Cell(f"{look.glyphs.running} {running} running", Tone.RUN))
    if others:
        right.append(Cell(f"{', ' if running else ''}{others} held", Tone.WARN))
    if state.pulse.active:
        right.append(Cell("  "))
    if state.pulse.service_alive:
        right.append(Cell("service up ", Tone.OK))
    elif has_died(state.pulse) and not state.pulse.active:
        right.append(Cell("service died ", Tone.WARN))
    else:
        tone = Tone.BAD if state.pulse.active else Tone.MUTED
        right.append(Cell("service down " if state.pulse.active else "service idle ", tone))
    return left, right


def status_cells(state: State, look: Look) -> tuple[list[Cell], list[Cell]]:
    """The outcome of the last action, else the worst thing, else that all is well.

    To the right: how many things are not well, and the key that lists them.
    """
    number = len(state.troubles)
    right = [Cell(f" {fmt.count(number, 'trouble')}:", Tone.MUTED), Cell(" ! ", Tone.KEY)]
    left = [Cell(" "), state.flash] if state.flash is not None else _worst(state, look)
    return left, right if number else []


def _worst(state: State, look: Look) -> list[Cell]:
    if state.troubles:
        worst = state.troubles[0]
        sign, tone = grade_sign(worst.grade, look.glyphs)
        # Nothing can be shown: what to do now stands here at once.
        hint = f": {worst.hint}" if state.estate is None and worst.hint else ""
        return [Cell(f" {sign} {worst.text}{hint}", tone)]
    if state.estate is None:
        return [Cell(" reading the catalog", Tone.MUTED)]
    if not is_configured(state.estate):
        text = "nothing is configured yet: ctrl+p First Steps, or `auxtui apply FILE.toml`"
        return [Cell(f" {text}", Tone.WARN)]
    if not state.estate.policies:
        return [Cell(" no storage policy yet: n on Storage Policies makes one", Tone.WARN)]
    return [Cell(f" {look.glyphs.done} all is well", Tone.OK)]


def hint_cells(chosen: Sequence[Action], width: int) -> list[Cell]:
    """The most useful keys that fit the width; help is always there."""
    ranked = sorted((a for a in chosen if a.hint_rank < 9), key=lambda a: a.hint_rank)
    pairs: list[tuple[str, str]] = []
    for action in ranked:
        if action.id.startswith("go.") and "".join(keys_of(action)) in tuple("12345678"):
            if (VIEWS, "Views") not in pairs:
                pairs.append((VIEWS, "Views"))
        else:
            pairs.append((key_name((keys_of(action) or [""])[0]), action.label))
    last = [pair for pair in pairs if pair[1] in ("Help", "Leave")]
    room = width - sum(_wide(pair) for pair in last)
    cells: list[Cell] = []
    for pair in [p for p in pairs if p not in last]:
        if _wide(pair) > room:
            continue
        room -= _wide(pair)
        cells += _hint(pair)
    for pair in last:
        cells += _hint(pair)
    return cells


def _wide(pair: tuple[str, str]) -> int:
    return cell_len(pair[0]) + cell_len(pair[1]) + 3


def _hint(pair: tuple[str, str]) -> list[Cell]:
    return [Cell(f" {pair[0]}", Tone.KEY), Cell(f" {pair[1]} ", Tone.MUTED)]
