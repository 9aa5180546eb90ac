"""The styles of tones, taken from the theme and kept: what the widgets that draw lines have in common.

Textual's component classes would do the same by a virtual node and a pass through every style rule
for each tone of each widget, at the start and at each change of focus: a third of the first paint.
"""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.color import Color
from textual.widget import Widget

from auxtui.glyphs import UNICODE
from auxtui.present import Tone

COLOURED = frozenset({Tone.MUTED, Tone.OK, Tone.RUN, Tone.WARN, Tone.BAD, Tone.KEY})
BOLD = frozenset({Tone.STRONG, Tone.BAD, Tone.KEY})


class Toned(Widget):
    """A widget that draws text in tones, on its own ground."""

    BOLD_TONES: ClassVar[frozenset[Tone]] = BOLD

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._kept_styles: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        """Forgets the styles of the theme before."""
        super().notify_style_update()
        self._kept_styles.clear()

    @property
    def plain(self) -> Style:
        """Text of no tone; kept, because Textual works it out anew each time."""
        kept = self._kept_styles.get("plain")
        if kept is None:
            kept = self._kept_styles["plain"] = self.rich_style
        return kept

    def tone(self, tone: Tone) -> Style:
        """The style of a tone on the ground of this widget."""
        kept = self._kept_styles.get(tone)
        if kept is None:
            kept = self.plain
            if tone in COLOURED:
                kept += Style.from_color(self.theme_colour(f"tone-{tone}").rich_color)
            if tone in self.BOLD_TONES:
                kept += Style(bold=True)
            self._kept_styles[tone] = kept
        return kept

    def part(self, name: str, text: str, ground: str, attributes: str = "") -> Style:
        """The style of a part of this widget that has a ground of its own.

        Args:
            name: of the part; kept under it.
            text: variable of the theme for the text; empty: that of the widget.
            ground: variable of the theme for the ground.
            attributes: bold, reverse, as Rich writes them.
        """
        kept = self._kept_styles.get(name)
        if kept is None:
            front = self.theme_colour(text).rich_color if text else self.plain.color
            kept = self.plain + Style.from_color(front, self.theme_colour(ground).rich_color)
            kept = self._kept_styles[name] = kept + Style.parse(attributes)
        return kept

    @property
    def ellipsis(self) -> str:
        """The sign for what was cut, in the signs of this console."""
        from auxtui.app import ConsoleApp

        return (self.app.look.glyphs if isinstance(self.app, ConsoleApp) else UNICODE).ellipsis

    def theme_colour(self, variable: str) -> Color:
        """A colour that the theme names."""
        return Color.parse(self.app.theme_variables[variable])
