"""A field for one line of text: keys work in the order in which they were typed."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

LEFT_TO_TEXTUAL = ("enter",)
"""Ends the text; dialogs and lists handle it."""


class TextField(Input):
    """An input whose editing keys do not overtake, or fall behind, the letters around them.

    Textual sends a key that is no letter through the whole app before the field acts on it, so that
    of a backspace and a letter that come together the letter goes first.
    """

    def __init__(self, value: str = "", *, id: str | None = None, select: bool = True) -> None:
        """Args:
        value: the text at the start.
        id: of the widget.
        select: all of it is selected when the field gets the focus.
        """
        super().__init__(value, id=id, compact=True, select_on_focus=select)
        self.cursor_blink = False  # nothing goes down the line while nobody types

    async def on_key(self, event: events.Key) -> None:
        """Acts on an editing key at once."""
        bound = self._bindings.key_to_bindings.get(event.key, [])
        if event.key == "ctrl+c" and not self.selected_text:
            return  # nothing to copy: it leaves what the field is in
        if bound and event.key not in LEFT_TO_TEXTUAL:
            event.stop()
            event.prevent_default()
            await self.run_action(bound[0].action)
