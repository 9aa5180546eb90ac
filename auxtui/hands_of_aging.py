"""What the actions on data aging do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from auxtui import format as fmt
from auxtui.action_values import Target
from auxtui.asking import begin
from auxtui.feed import in_thread
from engine.catalog.live_values import LiveCopy, LivePolicy
from engine.model.errors import UsageError

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Targets = tuple[Target, ...]
Hand = Callable[["ConsoleScreen", Targets], None]


def _preview(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.aging import AgingScreen

    target = targets[0]
    value = target.value
    policy = value.policy if isinstance(value, LiveCopy) else None
    policy = value.name if isinstance(value, LivePolicy) else policy
    estate = screen.console.state.estate
    name = policy or (estate.commcell if estate else "CommCell")
    screen.app.push_screen(AgingScreen(policy, name))


def _run(screen: ConsoleScreen, targets: Targets) -> None:
    policy, document = targets[0].value
    door = screen.console.door

    async def task() -> str:
        confirm = bool(document.get("fuses"))
        job_id = await in_thread(lambda: door.run_aging(policy, confirm=confirm))
        return f"job {job_id} takes away what retention does not keep; 2 shows it"

    begin(screen, "Data Aging", task())


def _release(screen: ConsoleScreen, targets: Targets) -> None:
    policy, _ = targets[0].value
    if policy is None:
        raise UsageError("choose one policy")
    door = screen.console.door

    async def task() -> str:
        released = await in_thread(lambda: door.release(policy, None))
        _look_again(screen)
        return f"{fmt.count(len(released), 'job copy')} released"

    begin(screen, "Release", task())


def _look_again(screen: ConsoleScreen) -> None:
    from auxtui.screens.aging import AgingScreen

    if isinstance(screen, AgingScreen) and screen.is_mounted:
        screen.look_again()


AGING_HANDS: dict[str, Hand] = {
    "policy.aging": _preview,
    "aging.run": _run,
    "aging.release": _release,
}
