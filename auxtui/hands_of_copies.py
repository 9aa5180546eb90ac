"""What the actions on job copies and copies do: ask the engine, say what it answered, keep the undo."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from auxtui import format as fmt
from auxtui.action_values import Target, named, values_of
from auxtui.asking import Undo, begin
from auxtui.feed import in_thread
from auxtui.inert import safe
from engine.catalog.live_values import LiveCopy, LiveJobCopy
from engine.model.errors import UsageError

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Targets = tuple[Target, ...]
Hand = Callable[["ConsoleScreen", Targets], None]
FOR_GOOD = "for good"


class _On(NamedTuple):
    """Job copies of one copy."""

    policy: str
    copy: str
    ids: list[int]

    @property
    def name(self) -> str:
        return safe(f"{self.policy}/{self.copy}")


def _on(screen: ConsoleScreen, targets: Targets) -> _On:
    """The copy that these job copies are on.

    Raises:
        UsageError: it has not been read yet.
    """
    from auxtui.screens.ledger import LedgerScreen

    ids = [target.id for target in targets]
    line = next((t.value for t in targets if isinstance(t.value, LiveJobCopy)), None)
    if line is None:
        copy = screen.copy if isinstance(screen, LedgerScreen) else None
        if copy is not None:  # marked rows far from the screen, whose lines were not kept
            return _On(copy.policy, copy.name, ids)
        raise UsageError("this row has not been read yet", hint="press the key again")
    return _On(line.policy, line.copy, ids)


def _decided(decision: str, what: str, said: str) -> Hand:
    """The hand that records a decision."""

    def hand(screen: ConsoleScreen, targets: Targets) -> None:
        on, door = _on(screen, targets), screen.console.door

        async def decide() -> str:
            await in_thread(lambda: door.decide(on.policy, on.copy, on.ids, decision))
            return f"{named(targets)} {said} {on.name}"

        undo = None if decision == "bad" else _undone(screen, on, targets, what)
        begin(screen, f"{what} {named(targets)}", decide(), undo=undo)

    return hand


def _lines(targets: Targets) -> list[LiveJobCopy] | None:
    """What these job copies were; None: some were marked and never read, and cannot be given back."""
    lines = values_of(LiveJobCopy, targets)
    return lines if len(lines) == len(targets) else None


def _undone(screen: ConsoleScreen, on: _On, targets: Targets, what: str) -> Undo | None:
    """Gives every job copy the decision that it had before."""
    lines = _lines(targets)
    if lines is None:
        return None
    before: dict[str, list[int]] = {}
    for line in lines:
        before.setdefault(line.decision, []).append(line.backup_job_id)
    door = screen.console.door

    async def task() -> str:
        for decision, ids in before.items():
            await in_thread(partial(door.decide, on.policy, on.copy, ids, decision))
        return f"{named(targets)} as before on {on.name}"

    return Undo(f"{what} {named(targets)}", task)


def _retain(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.ask import PromptScreen

    on, look = _on(screen, targets), screen.look
    estate = screen.console.state.estate
    zone = estate.time_zone if estate else "UTC"

    def read(text: str) -> datetime | str:
        from auxtui.moments import moment_of

        if text.strip().lower() in ("", FOR_GOOD, "forever"):
            return FOR_GOOD
        end = moment_of(text, zone, look.clock())
        if end <= look.clock():
            raise UsageError(f"{look.time(end)} is past", hint="give a time that is to come")
        return end

    def given(end: datetime | str | None) -> None:
        if end is None:
            return
        until = end if isinstance(end, datetime) else None
        said = FOR_GOOD if until is None else f"until {look.time(until)}"
        task = _pinned(screen, on, targets, until, f"retained {said} on")
        undo = _pins_undone(screen, on, targets, "Retain")
        begin(screen, f"Retain {named(targets)}", task, undo=undo)

    said = f"Keeps {named(targets)} on {on.name} beyond the retention of the copy."
    label = f"Until, a date like 2027-12-31 ({zone}), or: {FOR_GOOD}"
    screen.app.push_screen(PromptScreen("Retain", label, FOR_GOOD, read, said=said), given)


def _unretain(screen: ConsoleScreen, targets: Targets) -> None:
    on, door = _on(screen, targets), screen.console.door

    async def task() -> str:
        await in_thread(lambda: door.retain(on.policy, on.copy, on.ids, until=None, end=True))
        return f"{named(targets)} no longer retained on {on.name}"

    undo = _pins_undone(screen, on, targets, "End Retain")
    begin(screen, f"End Retain {named(targets)}", task(), undo=undo)


async def _pinned(
    screen: ConsoleScreen, on: _On, targets: Targets, until: datetime | None, said: str
) -> str:
    door = screen.console.door
    await in_thread(lambda: door.retain(on.policy, on.copy, on.ids, until=until, end=False))
    return f"{named(targets)} {said} {on.name}"


def _pins_undone(screen: ConsoleScreen, on: _On, targets: Targets, what: str) -> Undo | None:
    """Gives every job copy the pin that it had before, or none."""
    lines, door = _lines(targets), screen.console.door
    if lines is None:
        return None

    async def task() -> str:
        for line in lines:
            again = partial(door.retain, on.policy, on.copy, [line.backup_job_id])
            until, is_pinned = line.pinned_until, bool(line.pinned_by)
            await in_thread(partial(again, until=until, end=not is_pinned))
        return f"{named(targets)} as before on {on.name}"

    return Undo(f"{what} {named(targets)}", task)


def _priority(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.ask import PromptScreen

    on, door = _on(screen, targets), screen.console.door

    def read(text: str) -> int:
        return fmt.whole_number(text, "Priority", least=0, most=9)

    async def task(priority: int) -> str:
        await in_thread(lambda: door.prioritise(on.policy, on.copy, on.ids, priority))
        return f"{named(targets)}: priority {priority} in the next run to {on.name}"

    def given(priority: int | None) -> None:
        if priority is not None:
            begin(screen, f"Change Priority of {named(targets)}", task(priority))

    line = targets[0].value
    now = str(line.priority) if isinstance(line, LiveJobCopy) else "5"
    label = "Priority in the next run, 0 (first) to 9 (last)"
    screen.app.push_screen(PromptScreen("Change Priority", label, now, read), given)


def _verify(screen: ConsoleScreen, targets: Targets) -> None:
    on, door = _on(screen, targets), screen.console.door

    async def task() -> str:
        job_id = await in_thread(lambda: door.verify(on.policy, on.copy, "all", backup_jobs=on.ids))
        return f"job {job_id} verifies {named(targets)} on {on.name}"

    begin(screen, f"Verify {named(targets)}", task())


def _repair(screen: ConsoleScreen, targets: Targets) -> None:
    on, door = _on(screen, targets), screen.console.door

    async def task() -> str:
        job_id = await in_thread(lambda: door.repair(on.policy, on.copy, on.ids))
        return f"job {job_id} repairs {named(targets)} on {on.name}"

    begin(screen, f"Repair {named(targets)}", task())


def _copy(targets: Targets) -> LiveCopy:
    """The copy that was chosen.

    Raises:
        UsageError: it is gone.
    """
    value = targets[0].value
    if not isinstance(value, LiveCopy):
        raise UsageError(f"copy {targets[0].name} is not there any more")
    return value


def _verify_copy(screen: ConsoleScreen, targets: Targets) -> None:
    door, copies = screen.console.door, [_copy((target,)) for target in targets]

    async def task() -> str:
        jobs = [
            await in_thread(partial(door.verify, copy.policy, copy.name, "new")) for copy in copies
        ]
        started = ", ".join(f"job {job_id}" for job_id in jobs)
        return f"{started} reads what was never verified on {named(targets)}"

    begin(screen, f"Data Verification of {named(targets)}", task())


def _promote(screen: ConsoleScreen, targets: Targets) -> None:
    copy, door = _copy(targets), screen.console.door

    async def task() -> str:
        answer = await in_thread(lambda: door.promote(copy.policy, copy.name))
        return safe(
            f"{copy.name} is the primary copy of {copy.policy}; {answer.get('was')} is a"
            " synchronous copy of it"
        )

    begin(screen, f"Promote {named(targets)}", task())


def _release(screen: ConsoleScreen, targets: Targets) -> None:
    copy, door = _copy(targets), screen.console.door

    async def task() -> str:
        released = await in_thread(lambda: door.release(copy.policy, copy.name))
        if not released:
            return f"nothing is kept for {named(targets)} alone: nothing to release"
        return (
            f"{fmt.count(len(released), 'backup job')} released: {named(targets)} gets none of them"
        )

    begin(screen, f"Release for {named(targets)}", task())


COPY_HANDS: dict[str, Hand] = {
    "job-copy.pick": _decided("picked", "Pick", "picked for"),
    "job-copy.leave": _decided("do_not_copy", "Do Not Copy", "not to be copied to"),
    "job-copy.rules": _decided("", "Leave to the Rules", "left to the rules of"),
    "job-copy.recopy": _decided("recopy", "Copy Anew", "to be copied anew to"),
    "job-copy.bad": _decided("bad", "Mark Bad", "marked bad on"),
    "job-copy.retain": _retain,
    "job-copy.unretain": _unretain,
    "job-copy.priority": _priority,
    "job-copy.verify": _verify,
    "job-copy.repair": _repair,
    "copy.verify": _verify_copy,
    "copy.promote": _promote,
    "copy.release": _release,
}
