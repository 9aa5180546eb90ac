"""Pages of text: help for a screen, everything that is wrong, the whole of one message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from auxtui import actions
from auxtui.actions import Action, keys_of, keys_text
from auxtui.frame import Said, State
from auxtui.health import Grade, Trouble
from auxtui.present import Cell, Fact, Look, Tone
from auxtui.screens.dialog import Dialog
from auxtui.widgets.facts import Facts

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

_MOVES: tuple[Fact, ...] = (
    ("arrows h j k l", Cell("move; left and right fold the tree, or go along the tabs")),
    ("pgup pgdn", Cell("a page up, a page down")),
    ("home end g G", Cell("first, last")),
    ("tab shift+tab", Cell("next pane or field, previous one")),
)
BESIDE_TEXT = 3  # lines: the frame and the keys


class TextScreen(Dialog[None]):
    """A page of facts that scrolls."""

    KEYS = "up down Scroll   esc Close"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter", "cancel", show=False, priority=True),
        Binding("down,j", "scroll(1)", show=False, priority=True),
        Binding("up,k", "scroll(-1)", show=False, priority=True),
        Binding("pagedown,space", "scroll(10)", show=False, priority=True),
        Binding("pageup", "scroll(-10)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    TextScreen > #box { width: 96; }
    TextScreen.-long > #box { height: 90%; }
    TextScreen.-long VerticalScroll { height: 1fr; }
    TextScreen VerticalScroll { height: auto; background: $surface; scrollbar-size-vertical: 1; }
    TextScreen Facts { background: $surface; padding: 0; }
    """

    def __init__(self, title: str, facts: Sequence[Fact]) -> None:
        super().__init__(title)
        self._facts = facts

    def compose_box(self) -> Iterator[Widget]:
        with VerticalScroll():
            yield Facts()

    def on_mount(self) -> None:
        self.query_one(Facts).show(self._facts)

    def on_resize(self) -> None:
        """As high as the text, or as there is room."""
        facts, box = self.query_one(Facts), self.query_one("#box")
        width = min(96, int(self.size.width * 0.96)) - box.gutter.width
        lines = facts.get_content_height(self.size, self.size, width) + BESIDE_TEXT
        self.set_class(lines > int(self.size.height * 0.9), "-long")

    def action_scroll(self, lines: int) -> None:
        """Scrolls by lines."""
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_to(y=scroll.scroll_y + lines, animate=False)


class HelpScreen(TextScreen):
    """What a screen is, and every key on it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "cancel", show=False, priority=True)
    ]

    def __init__(self, screen: ConsoleScreen) -> None:
        super().__init__("Help", help_facts(screen.ABOUT, screen.applicable()))


def help_facts(about: str, applicable: Sequence[Action]) -> list[Fact]:
    """The text of a help page, from the registry."""
    facts: list[Fact] = [("", Cell(line)) for line in about.split("\n")]
    facts.append(("", Cell("")))
    facts += [(keys_text(a), Cell(f"{a.label}: {a.help}")) for a in applicable if keys_of(a)]
    facts += _MOVES
    others = [a for a in actions.ACTIONS if keys_of(a) and a not in applicable]
    facts += [("", Cell("")), ("", Cell("With the cursor elsewhere:", Tone.STRONG))]
    facts += [(keys_text(a), Cell(f"{a.label}: {a.help}", Tone.MUTED)) for a in others]
    return facts


class TroublesScreen(TextScreen):
    """Everything that is not well, the worst first, with what to do; then what the status line said last."""

    def __init__(self, state: State, look: Look) -> None:
        facts = [*trouble_facts(state.troubles), *answer_facts(state.said, look)]
        super().__init__("What is wrong, the worst first", facts)


def trouble_facts(troubles: Sequence[Trouble]) -> list[Fact]:
    """Troubles as text."""
    facts: list[Fact] = []
    for trouble in troubles:
        bad = trouble.grade is Grade.ERROR
        facts.append(
            ("error" if bad else "warning", Cell(trouble.text, Tone.BAD if bad else Tone.WARN))
        )
        if trouble.hint:
            facts.append(("do", Cell(trouble.hint)))
        facts.append(("", Cell("")))
    return facts[:-1] or [("", Cell("all is well", Tone.OK))]


def answer_facts(said: Sequence[Said], look: Look) -> list[Fact]:
    """The last answers to actions, each whole."""
    if not said:
        return []
    facts = [(look.time(one.at), one.cell) for one in said]
    return [("", Cell("")), ("", Cell("What came of the last keys:", Tone.STRONG)), *facts]
