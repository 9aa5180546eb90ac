"""What a plan takes: time at the past rate, whether it fits before the next window, and space."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from engine.catalog import standings
from engine.library.space import keep_free_bytes
from engine.model.states import Operation
from engine.operations.gates import Closed, Gates, load_windows
from engine.operations.planning import Scope
from engine.policy.durations import format_about, format_size
from engine.policy.forecast import RateSample, common_spans, past_rate
from engine.policy.plan import Plan
from engine.policy.windows import Span, blocked_spans
from engine.policy.zones import wall_of, zone_of

RATES_OF = timedelta(days=30)
AHEAD = timedelta(days=8)  # every weekly window is in it


def expectation(session: Session, scope: Scope, plan: Plan, now: datetime) -> dict[str, Any]:
    """The part of the plan document that says what the run takes.

    `expected_seconds` is None where a copy was never copied to; `held` is None where the run may
    begin now, else why it may not and until when; `fits_before` is None where no
    operation window is ahead, else its beginning and whether the run ends before it; `space` has
    what each library must take and has free; `warnings` are sentences.
    """
    seconds = _seconds(session, plan, now)
    fits = _fits_before(_closed(session, scope, plan, now), seconds, now)
    held = Gates.load(session, now).closed_agents(_agents(scope, plan), now)
    space = _space(scope, plan)
    return {
        "expected_seconds": seconds,
        "held": None if held is None else _held(held),
        "fits_before": fits,
        "space": space,
        "warnings": [
            *([held_sentence(held.reason, held.until, scope.time_zone)] if held else []),
            *_space_warnings(space),
            *_window_warnings(scope, fits, seconds),
        ],
    }


def _seconds(session: Session, plan: Plan, now: datetime) -> int | None:
    """The copies are made side by side: the slowest one counts."""
    runs = standings.runs_since(session, now - RATES_OF, now)
    longest = 0.0
    for totals in plan.totals:
        if not totals.bytes:
            continue
        rate = past_rate(
            [RateSample(run.seconds, run.bytes) for run in runs.get(totals.copy_id, ())]
        )
        if rate is None:
            return None
        longest = max(longest, totals.bytes / rate.middle_bps)
    return int(longest)


def _agents(scope: Scope, plan: Plan) -> list[str]:
    """The MediaAgents of the plan's libraries; any of them could do some of it."""
    libraries = {scope.copies[totals.copy_id].library_id for totals in plan.totals if totals.taken}
    agents = {path.media_agent_id for path in scope.data_paths if path.library_id in libraries}
    return [scope.agents[agent][0] for agent in sorted(agents)]


def _held(closed: Closed) -> dict[str, Any]:
    until = None if closed.until is None else closed.until.isoformat()
    return {"reason": closed.reason, "until": until}


def held_sentence(reason: str, until: datetime | None, time_zone: str) -> str:
    """What is said of a run that may not begin now: until when, and why."""
    if until is None:
        return f"held now: {reason}"
    return f"held until {wall_of(until, zone_of(time_zone)):%A %H:%M}: {reason}"


def _closed(session: Session, scope: Scope, plan: Plan, now: datetime) -> list[Span]:
    """The hours ahead in which none of the MediaAgents of the plan's libraries may copy."""
    windows = load_windows(session)
    return common_spans(
        [
            blocked_spans(
                windows,
                [f"media_agents.{agent}"],
                Operation.AUXCOPY,
                start=now,
                end=now + AHEAD,
            )
            for agent in _agents(scope, plan)
        ]
    )


def _fits_before(closed: list[Span], seconds: int | None, now: datetime) -> dict[str, Any] | None:
    begins = now
    if closed and closed[0].starts_at <= now:
        begins = closed[0].ends_at
    ahead = next((span for span in closed if span.starts_at > begins), None)
    if ahead is None:
        return None
    fits = None if seconds is None else begins + timedelta(seconds=seconds) <= ahead.starts_at
    return {"at": ahead.starts_at.isoformat(), "windows": list(ahead.windows), "fits": fits}


def _space(scope: Scope, plan: Plan) -> list[dict[str, Any]]:
    needed: dict[int, int] = {}
    for totals in plan.totals:
        library = scope.library_of(totals.copy_id)
        if library is not None and totals.bytes:
            needed[library.id] = needed.get(library.id, 0) + totals.bytes
    found = []
    for library_id, size_bytes in sorted(needed.items()):
        library = scope.libraries[library_id]
        free, total = library.free_bytes, library.total_bytes
        usable = None if free is None else free - keep_free_bytes(total or 0)
        found.append(
            {
                "library": library.name,
                "bytes": size_bytes,
                "free_bytes": free,
                "fits": None if usable is None else size_bytes <= usable,
            }
        )
    return found


def _space_warnings(space: list[dict[str, Any]]) -> list[str]:
    return [
        f"library {each['library']} has {format_size(each['free_bytes'])} free, "
        f"and the plan needs up to {format_size(each['bytes'])}"
        for each in space
        if each["fits"] is False
    ]


def _window_warnings(scope: Scope, fits: dict[str, Any] | None, seconds: int | None) -> list[str]:
    if fits is None or fits["fits"] is not False or seconds is None:
        return []
    wall = wall_of(datetime.fromisoformat(fits["at"]), zone_of(scope.time_zone))
    return [
        f"it takes about {format_about(seconds)}, and {', '.join(fits['windows'])} begins "
        f"{wall:%A %H:%M}: the run is held there and goes on afterwards"
    ]
