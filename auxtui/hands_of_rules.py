"""What the actions on schedules, activity and all jobs do: ask the engine, say what it answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from auxtui import format as fmt
from auxtui.action_values import Target, named
from auxtui.asking import Undo, ask_each, begin, told
from auxtui.asking_order import asking_order
from auxtui.feed import in_thread
from auxtui.nodes import node_name, node_words
from engine.model.errors import UsageError
from engine.model.states import RequestKind

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Targets = tuple[Target, ...]
Hand = Callable[["ConsoleScreen", Targets], None]
NO_END = "no end"


def _run_schedule(screen: ConsoleScreen, targets: Targets) -> None:
    door = screen.console.door

    async def task() -> str:
        started: list[int] = []
        for target in targets:
            name = target.value.name
            started += await in_thread(lambda name=name: door.schedule(name, "run"))  # type: ignore[misc]
        if not started:
            return f"{named(targets)}: nothing to do now, no job was started"
        return f"{named(targets)}: started {', '.join(f'job {number}' for number in started)}"

    begin(screen, f"Run {named(targets)}", task())


def _switch_schedule(act: str, opposite: str) -> Hand:
    def hand(screen: ConsoleScreen, targets: Targets) -> None:
        task = _scheduled(screen, targets, act)
        undo = Undo(f"{act} {named(targets)}", lambda: _scheduled(screen, targets, opposite))
        begin(screen, f"{act.capitalize()} {named(targets)}", task, undo=undo)

    return hand


async def _scheduled(screen: ConsoleScreen, targets: Targets, act: str) -> str:
    door = screen.console.door
    for target in targets:
        name = target.value.name
        await in_thread(lambda name=name: door.schedule(name, act))  # type: ignore[misc]
    return f"schedule {named(targets)} is {act}d"


def _activity_off(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.ask import PromptScreen

    target = targets[0]
    node, look = node_name(target.kind, target.value), screen.look
    estate = screen.console.state.estate
    zone = estate.time_zone if estate else "UTC"

    def read(text: str) -> datetime | str:
        from auxtui.moments import after, moment_of

        words = text.strip()
        if words.lower() in ("", NO_END):
            return NO_END
        try:
            end = after(words, look.clock())
        except UsageError:
            end = moment_of(words, zone, look.clock())
        if end <= look.clock():
            raise UsageError(f"{look.time(end)} is past", hint="give a time that is to come")
        return end

    def given(end: datetime | str | None) -> None:
        if end is not None:
            until = end if isinstance(end, datetime) else None
            undo = Undo(f"switch {node_words(node)} off", lambda: _switched(screen, node, on=True))
            task = _switched(screen, node, on=False, until=until)
            begin(screen, f"Switch {node_words(node)} off", task, undo=undo)

    said = f"Nothing runs on {node_words(node)} or below it; what runs stops at a chunk boundary."
    label = f"For how long (2h, 3d), until when (18:00, {zone}), or: {NO_END}"
    screen.app.push_screen(PromptScreen("Switch Activity Off", label, "2h", read, said=said), given)


def _activity_on(screen: ConsoleScreen, targets: Targets) -> None:
    async def task() -> str:
        said = [
            await _switched(screen, node_name(target.kind, target.value), on=True)
            for target in targets
        ]
        return "; ".join(said)

    begin(screen, f"Switch {named(targets)} on", task())


async def _switched(
    screen: ConsoleScreen, node: str, *, on: bool, until: datetime | None = None
) -> str:
    door = screen.console.door
    await in_thread(lambda: door.switch_activity(node, on=on, off_until=until))
    if on:
        return f"activity is on again on {node_words(node)}"
    end = f"until {screen.look.time(until)}" if until else "until somebody switches it on"
    return f"activity is off on {node_words(node)} {end}"


def _resubmit(screen: ConsoleScreen, targets: Targets) -> None:
    door = screen.console.door

    async def task() -> str:
        asked = await ask_each(targets, lambda target: door.resubmit(target.id))
        numbers = ", ".join(f"job {number}" for _, number in asked.done)
        return told(screen, asked, lambda _: f"started {numbers}")

    begin(screen, f"Resubmit {named(targets)}", task())


def _all(kind: RequestKind, done: str) -> Hand:
    def hand(screen: ConsoleScreen, targets: Targets) -> None:
        begin(screen, f"{kind.value.capitalize()} all jobs", _each(screen, kind, done))

    return hand


async def _each(screen: ConsoleScreen, kind: RequestKind, done: str) -> str:
    """Asks about every active job."""
    pulse, door = screen.console.state.pulse, screen.console.door
    jobs = asking_order(kind, pulse.active if pulse else ())
    asked = await ask_each(jobs, lambda job: door.request(kind, job.id, {}))
    return told(screen, asked, lambda reached: f"{fmt.count(len(reached), 'job')} {done}")


RULE_HANDS: dict[str, Hand] = {
    "schedule.run": _run_schedule,
    "schedule.enable": _switch_schedule("enable", "disable"),
    "schedule.disable": _switch_schedule("disable", "enable"),
    "activity.off": _activity_off,
    "activity.on": _activity_on,
    "job.resubmit": _resubmit,
    "jobs.suspend": _all(RequestKind.SUSPEND, "suspended"),
    "jobs.resume": _all(RequestKind.RESUME, "resumed"),
    "jobs.kill": _all(RequestKind.KILL, "killed"),
}
