"""A week of half hours on which a cursor moves; what is closed is never said by colour alone."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from auxtui.fitting import fit
from auxtui.glyphs import Glyphs
from auxtui.present import Tone
from auxtui.week_cells import CELLS, DAYS, Closed, Spot, between
from auxtui.widgets.toned import Toned

LABEL = 5
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS_APART = 3


class WeekCells(Toned):
    """Draws closed half hours, the cursor, and the range that is marked."""

    DEFAULT_CSS = """
    WeekCells { height: 8; background: $surface; color: $foreground; }
    """

    def __init__(self, closed: Closed, *, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self.closed = closed
        self.cursor: Spot = (0, 0)
        self.corner: Spot | None = None
        """Where a range begins; None: none is marked."""

    @property
    def chosen(self) -> Closed:
        """The marked half hours: those up to the cursor, or that of the cursor."""
        return between(self.corner or self.cursor, self.cursor)

    def show(self, closed: Closed, cursor: Spot, corner: Spot | None) -> None:
        """Draws it anew."""
        self.closed, self.cursor, self.corner = closed, cursor, corner
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draws the hours, or a day."""
        if y == 0:
            marks = "".join(
                fit(f"{hour:02d}", 2 * HOURS_APART) for hour in range(0, 24, HOURS_APART)
            )
            segments = [Segment(" " * LABEL + marks, self.tone(Tone.MUTED))]
        elif y <= DAYS:
            segments = self._day(y - 1)
        else:
            segments = []
        used = sum(len(segment.text) for segment in segments)
        width = self.size.width
        segments.append(Segment(" " * max(0, width - used), self.plain))
        return Strip(segments).crop(0, width).simplify()

    def _day(self, day: int) -> list[Segment]:
        strong = Tone.STRONG if day == self.cursor[0] else Tone.PLAIN
        segments = [Segment(fit(DAY_NAMES[day], LABEL), self.tone(strong))]
        marked = self.chosen if self.corner is not None else frozenset()
        for cell in range(CELLS):
            spot = (day, cell)
            is_closed = spot in self.closed
            sign = self._glyphs.bar_full if is_closed else self._glyphs.waiting
            style = self.tone(Tone.WARN if is_closed else Tone.OK)
            if spot in marked:
                sign = self._glyphs.killed if is_closed else self._glyphs.mark
                style = self.tone(Tone.KEY)
            if spot == self.cursor:
                sign = self._glyphs.killed if is_closed else self._glyphs.waiting
                style = self._cursor_style()
            segments.append(Segment(sign, style))
        return segments

    def _cursor_style(self) -> Style:
        attributes = self.app.theme_variables["cursor-style"]
        return self.part("cursor", "cursor-text", "cursor-back", attributes)
