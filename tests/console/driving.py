"""Driving a console in tests: waiting for what shall be seen, reading what is on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.events import Key, Paste
from textual.pilot import Pilot

from auxtui.app import ConsoleApp
from auxtui.feed import Feed

PATIENCE_S = 240.0  # of a busy machine; whoever waits in vain waits so long
LOOKS = 2  # so often the same is seen of a screen that stays
REASONING = {"plot", "plan", "aging", "judge"}
"""Groups of workers whose end changes the screen by itself; others may wait for an answer of the user."""


def screen_text(app: ConsoleApp) -> str:
    """What is on the screen, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in lines)


async def until(pilot: Pilot[None], condition: Callable[[], bool], what: str = "") -> None:
    """Waits until a condition holds; fails with what is on the screen when it never does."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await pilot.pause(0.03)
    except TimeoutError:
        raise AssertionError(f"never {what or 'true'}:\n{screen_text(app)}") from None


async def sees(pilot: Pilot[None], *texts: str) -> None:
    """Waits until all these texts are on the screen."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)

    def is_there() -> bool:
        if not app.screen.is_mounted:
            return False
        shown = screen_text(app)  # drawn once for all texts
        return all(text in shown for text in texts)

    await until(pilot, is_there, f"seen {texts}")


async def still(pilot: Pilot[None]) -> None:
    """Waits until the screen stays as it is: the catalog has been asked, the answers are drawn."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    before, same = None, 0
    async with asyncio.timeout(PATIENCE_S):
        while same < LOOKS:
            await _answered(app.feed)
            is_settled = _has_told(app.feed) and not _reasons(app)
            await pilot.pause(0.01)
            now = app.screen._compositor.render_strips()
            same = same + 1 if now == before and is_settled else 0
            before = now


class _Told:
    """Takes the answer to a question."""

    def __init__(self) -> None:
        self._loop, self.event = asyncio.get_running_loop(), asyncio.Event()

    def post_message(self, _: object) -> None:
        self._loop.call_soon_threadsafe(self.event.set)


async def _answered(feed: Feed) -> None:
    """Waits for an answer: those to all earlier questions are on their way to the screen then."""
    told = _Told()
    feed.ask(told, None, lambda _: None)  # type: ignore[arg-type]
    await told.event.wait()


def _has_told(feed: Feed) -> bool:
    """True when all that is followed has been asked, and what that gave is on its way to the screen."""
    with feed._lock:
        followed = [*feed._followed]
    return all(one.asked and (one.watch.every_turn or not one.stale) for one in followed)


def _reasons(app: ConsoleApp) -> bool:
    """True while a plot is drawn or a plan is made, which shall be seen."""
    return any(worker.group in REASONING and not worker.is_finished for worker in app.workers)


async def lacks(pilot: Pilot[None], *texts: str) -> None:
    """Waits until none of these texts is on the screen."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)

    def is_gone() -> bool:
        shown = screen_text(app)
        return not any(text in shown for text in texts)

    await until(pilot, is_gone, f"free of {texts}")


async def paste(pilot: Pilot[None], text: str) -> None:
    """Pastes into the field that has the focus: many times as quick as keys, where keys are not what is tested."""
    pilot.app.post_message(Paste(text))
    await pilot.pause()


def type_ahead(app: ConsoleApp, *keys: str) -> None:
    """Types keys faster than anything can be drawn: all are in the queue before the first is handled."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else None))
