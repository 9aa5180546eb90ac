"""Keys that were typed before what they are for is there: held back, in order, and then handled.

A screen that an action has opened may not have its fields yet, and what has to read the
configuration first (the form of an item, the question before it is deleted) is not even open: the
keys behind the action must reach neither the screen below nor nothing. So it is with a list that is
still read: they are for one of its rows.
"""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import App
from textual.message import Message

NEVER_HELD = ("escape", "ctrl+c")
"""Whoever wants out, gets out; what was typed before is given up."""


class TypingAhead(App[None]):
    """An app that can hold back what is typed."""

    class Released(Message):
        """What was held may go to what is there now."""

    def __init__(self, *, own_colours: bool = False) -> None:
        """Args:
        own_colours: only those of the terminal; else those of the theme.
        """
        super().__init__(ansi_color=True if own_colours else None)
        self._holders: set[object] = set()
        self._typed_ahead: list[events.Event] = []

    def hold_keys(self) -> Callable[[], None]:
        """Holds back what is typed from now on; gives the call that lets it go."""
        holder = object()
        self._holders.add(holder)

        def release() -> None:
            if holder in self._holders:
                self._holders.remove(holder)
                self.post_message(self.Released())

        return release

    async def on_event(self, event: events.Event) -> None:
        """Keeps a key that comes too early; everything else is Textual's."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            if isinstance(event, events.Key) and event.key in NEVER_HELD:
                self._typed_ahead.clear()
            elif self._typed_ahead or self._is_early:
                self._typed_ahead.append(event)
                self._go_on_later()
                return
        await super().on_event(event)

    @property
    def _is_early(self) -> bool:
        """What a key would be for is not there yet."""
        return bool(self._holders) or not self.screen.is_mounted

    def _go_on_later(self) -> None:
        """Lets go of the keys when the screen on top is there; whoever holds them does it too."""
        if not self._holders:
            self.screen.call_later(self.post_message, self.Released())

    async def on_typing_ahead_released(self) -> None:
        """Handles what was held, unless one of the keys holds the rest again."""
        while self._typed_ahead and not self._is_early:
            await super().on_event(self._typed_ahead.pop(0))
        if self._typed_ahead:
            self._go_on_later()
