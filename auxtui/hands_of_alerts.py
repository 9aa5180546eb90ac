"""What the actions on alarms and alerts do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from auxtui.action_values import Target, named
from auxtui.asking import begin
from auxtui.feed import in_thread
from engine.model.states import RequestKind

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Targets = tuple[Target, ...]
Hand = Callable[["ConsoleScreen", Targets], None]


def _clear(screen: ConsoleScreen, targets: Targets) -> None:
    door, ids = screen.console.door, [target.id for target in targets]

    async def task() -> str:
        await in_thread(lambda: door.request(RequestKind.CLEAR_ALARMS, None, {"alarms": ids}))
        screen.console.look_anew()
        return f"{named(targets)}: cleared; what is still wrong comes again"

    begin(screen, f"Clear {named(targets)}", task())


def _try(screen: ConsoleScreen, targets: Targets) -> None:
    door, name = screen.console.door, targets[0].value.name

    async def task() -> str:
        return f"{targets[0].name}: {await in_thread(lambda: door.try_alert(name))}"

    begin(screen, f"Test {targets[0].name}", task())


ALERT_HANDS: dict[str, Hand] = {"alarm.clear": _clear, "alert.try": _try}
