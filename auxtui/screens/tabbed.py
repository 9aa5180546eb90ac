"""A screen with a line of tabs above its list: left and right go along them, as F6 and ] do."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from auxtui.screens.base import ConsoleScreen
from auxtui.widgets.tab_strip import TabStrip


class TabbedScreen(ConsoleScreen):
    """A subclass has a `TabStrip` and follows its changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "tab(1)", show=False, system=True, priority=True),
        Binding("left,h", "tab(-1)", show=False, system=True, priority=True),
    ]

    def next_tab(self) -> None:
        """Shows the next tab."""
        self.action_tab(1)

    def previous_tab(self) -> None:
        """Shows the previous tab."""
        self.action_tab(-1)

    def action_tab(self, step: int) -> None:
        """Goes along the tabs."""
        if not self.has_class("-tiny"):
            self.query_one(TabStrip).step(step)
