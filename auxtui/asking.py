"""Asking the engine from a screen: what was requested, then what came of it, in the status line."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from auxtui.feed import in_thread
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


T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Asked(Generic[T, R]):
    """What the engine answered about several things."""

    done: Sequence[tuple[T, R]]
    refused: Sequence[AuxError]


async def ask_each(things: Iterable[T], ask: Callable[[T], R]) -> Asked[T, R]:
    """Asks the engine about each thing; one that is refused does not keep the others from being asked.

    Raises:
        AuxError: nothing was done, and there is one reason.
    """
    done, refused = list[tuple[T, R]](), list[AuxError]()
    for thing in things:
        try:
            done.append((thing, await in_thread(partial(ask, thing))))
        except AuxError as err:
            refused.append(err)
    if not done and len(refused) == 1:
        raise refused[0]
    return Asked(done, refused)


def told(screen: ConsoleScreen, asked: Asked[T, R], words: Callable[[Sequence[T]], str]) -> str:
    """Says what was done; where something was refused, that too, and then nothing is left to say.

    Args:
        screen: where it was asked.
        asked: the answers.
        words: says what was done with these things.
    """
    said = words([thing for thing, _ in asked.done]) if asked.done else ""
    if not asked.refused:
        return said
    refused = f"{len(asked.refused)} refused: {error_text(asked.refused[0])}"
    screen.flash(f"{said or 'nothing was done'}; {refused}", Tone.WARN if said else Tone.BAD)
    return ""
