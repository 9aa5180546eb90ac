"""A few labelled facts above a list, or a page of them; text wraps, nothing is markup."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from auxtui.inert import safe
from auxtui.present import Cell, Fact, Tone

_TONES = {
    Tone.MUTED: "$tone-muted",
    Tone.STRONG: "bold",
    Tone.OK: "$tone-ok",
    Tone.RUN: "$tone-run",
    Tone.WARN: "$tone-warn",
    Tone.BAD: "bold $tone-bad",
    Tone.KEY: "bold $tone-key",
}


def toned(cell: Cell) -> Content:
    """A cell as content in the colours of the theme."""
    return Content.styled(safe(cell.text), _TONES.get(cell.tone, ""))


class Facts(Static):
    """Labelled facts, one a line."""

    DEFAULT_CSS = """
    Facts { height: auto; padding: 0 1; background: $background; color: $foreground; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__("", id=id, classes=classes, markup=False)
        self._shown: tuple[Fact, ...] = ()

    def show(self, facts: Sequence[Fact]) -> None:
        """Shows these facts; nothing happens when they are the same."""
        chosen = tuple(facts)
        if chosen == self._shown:
            return
        self._shown = chosen
        width = max((len(label) for label, _ in chosen), default=0)
        lines = [
            Content.assemble((f"{label:<{width}}  " if width else "", "$tone-muted"), toned(cell))
            for label, cell in chosen
        ]
        self.update(Content("\n").join(lines))

    @property
    def text(self) -> str:
        """What is shown, without tones."""
        return "\n".join(f"{label} {cell.text}" for label, cell in self._shown)
