"""The paths of a backup as a line table that folds; what is in a directory is read when it unfolds."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from auxtui.widgets.line_table import LineTable


class PathTable(LineTable):
    """Left folds or goes to the directory above, right unfolds."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(False)", "Fold", system=True, priority=True),
        Binding("right,l", "turn(True)", "Unfold", system=True, priority=True),
    ]

    class Turned(Message):
        """A directory shall be folded or unfolded."""

        def __init__(self, path: bytes, *, is_unfold: bool) -> None:
            super().__init__()
            self.path = path
            self.is_unfold = is_unfold

    def action_turn(self, is_unfold: bool) -> None:
        """Folds or unfolds the directory under the cursor."""
        key = self.cursor_key
        if isinstance(key, bytes):
            self.post_message(self.Turned(key, is_unfold=is_unfold))
