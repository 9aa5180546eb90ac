"""Driving a console in tests: waiting for what shall be seen, reading what is on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.events import Key
from textual.pilot import Pilot

from auxtui.app import ConsoleApp

PATIENCE_S = 10.0


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
    await until(
        pilot,
        lambda: app.screen.is_mounted and all(text in screen_text(app) for text in texts),
        f"seen {texts}",
    )


async def lacks(pilot: Pilot[None], *texts: str) -> None:
    """Waits until none of these texts is on the screen."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await until(
        pilot, lambda: not any(text in screen_text(app) for text in texts), f"free of {texts}"
    )


def type_ahead(app: ConsoleApp, *keys: str) -> None:
    """Types keys faster than anything can be drawn: all are in the queue before the first is handled."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else None))
