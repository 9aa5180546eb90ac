"""All Tasks: everything that can be done with a thing, and why something cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from auxtui import actions
from auxtui.actions import Action, Target, World, keys_of, keys_text
from auxtui.columns import Column
from auxtui.present import Cell, Row, Tone
from auxtui.screens.dialog import Dialog
from auxtui.widgets.line_table import LineTable

_COLUMNS = (
    Column(title="Key", width=10),
    Column(title="Task", width=22),
    Column(title="", width=20, flex=1),
)


class MenuScreen(Dialog[Action]):
    """The All Tasks menu of a thing, or of several of a kind."""

    KEYS = "enter Do it   a letter does it at once   esc Close"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("m", "cancel", show=False, priority=True)]
    DEFAULT_CSS = """
    MenuScreen > #box { width: 110; }
    MenuScreen LineTable { background: $surface; max-height: 60vh; }
    MenuScreen .about { height: 2; color: $tone-head; }
    """

    def __init__(
        self, targets: tuple[Target, ...], world: World, only: Sequence[Action] | None = None
    ) -> None:
        """Args:
        targets: the things.
        world: what else decides what is possible.
        only: these, which make something new there; None: all that are for such things.
        """
        first = targets[0]
        more = f" and {len(targets) - 1} more" if len(targets) > 1 else ""
        super().__init__(f"{'All Tasks' if only is None else 'New'}: {first.name}{more}")
        every = actions.tasks_for(first) if only is None else only
        offered = [a for a in every if a.id != "thing.menu"]
        self._reasons = {
            a.id: "" if any(not a.disabled_because(t, world) for t in targets)
            else a.disabled_because(first, world)
            for a in offered
        }  # fmt: skip
        self._offered = {a.id: a for a in offered}

    def compose_box(self) -> Iterator[Widget]:
        table = LineTable(_COLUMNS, header=False, glyphs=self.glyphs)
        table.styles.height = max(1, len(self._offered))
        yield table
        yield Static("", classes="about", markup=False)

    def on_mount(self) -> None:
        table = self.query_one(LineTable)
        table.show_rows(self._row(action) for action in self._offered.values())
        table.focus()

    def on_line_table_highlighted(self, message: LineTable.Highlighted) -> None:
        """Says in full what the task under the cursor does, or why it is not possible."""
        action = self._offered.get(str(message.key))
        if action is not None:
            reason = self._reasons[action.id]
            text = f"not now: {reason}" if reason else action.help
            self.query_one(".about", Static).update(Content(text))

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        self._choose(str(message.key))

    def on_key(self, event: events.Key) -> None:
        for action in self._offered.values():
            if event.key in keys_of(action) or event.character in keys_of(action):
                event.stop()
                self._choose(action.id)
                return

    def _choose(self, action_id: str) -> None:
        if self._reasons[action_id]:
            self.query_one(LineTable).move_to(action_id)  # the reason is said below the list
        else:
            self.dismiss(self._offered[action_id])

    def _row(self, action: Action) -> Row:
        reason = self._reasons[action.id]
        tone = Tone.MUTED if reason else Tone.PLAIN
        return Row(
            action.id,
            (
                Cell(keys_text(action), Tone.MUTED if reason else Tone.KEY),
                Cell(action.label, tone),
                Cell(f"not now: {reason}" if reason else action.help, Tone.MUTED),
            ),
        )
