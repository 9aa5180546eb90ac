"""Asking the engine from a screen: what was requested, then what came of it, in the status line."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auxtui.inert import safe
from auxtui.present import Tone
from engine.model.errors import AuxError

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Task = Coroutine[Any, Any, str]
"""Asks the engine; gives what to say when it is done."""


@dataclass(frozen=True, slots=True)
class Undo:
    """How the last change is taken back."""

    what: str
    """What was done, as one says it."""
    task: Callable[[], Task]


def error_text(error: AuxError) -> str:
    """An error and what to do, in one inert line."""
    return safe(f"{error.message} ({error.hint})" if error.hint else error.message)


def tell_error(screen: ConsoleScreen, what: str, error: AuxError) -> None:
    """Says why something was refused."""
    screen.flash(f"{what}: {error_text(error)}", Tone.BAD)


def begin(screen: ConsoleScreen, what: str, task: Task, *, undo: Undo | None = None) -> None:
    """Runs a task that asks the engine; says that it was asked, and then what came of it.

    Args:
        screen: where it was asked.
        what: the name of the action.
        task: asks.
        undo: how it is taken back once it is done.
    """

    async def run() -> None:
        try:
            said = await task
        except AuxError as err:
            tell_error(screen, what, err)
        else:
            screen.console.look_anew()
            screen.console.undo = undo
            if said:
                screen.flash(f"{said}; z takes it back" if undo else said, Tone.OK)

    screen.flash(f"{what}: requested {screen.look.glyphs.ellipsis}")
    screen.console.run_worker(run(), name=what, exit_on_error=False)
