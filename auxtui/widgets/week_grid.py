"""A week as a grid: a line for each day, closed hours filled, the present marked."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip

from auxtui.fitting import fit
from auxtui.gates import DAYS, SLOTS, Week
from auxtui.glyphs import Glyphs
from auxtui.present import Tone
from auxtui.widgets.toned import Toned

LABEL = 11  # cells: " Mon 03-16 "
STEPS = (1, 2, 4)  # quarters in a cell; the finest that fits is drawn


class WeekGrid(Toned):
    """Draws a `Week`; what is closed is never said by colour alone."""

    DEFAULT_CSS = """
    WeekGrid { height: 9; background: $background; color: $foreground; margin: 1 0; }
    """

    def __init__(self, *, glyphs: Glyphs, id: str) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self._week: Week | None = None

    def show(self, week: Week) -> None:
        """Draws another week."""
        if week != self._week:
            self._week = week
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draws the hours, a day, or what the signs mean."""
        width = self.size.width
        week = self._week
        if week is None or y > DAYS + 1:
            return Strip.blank(width, self.plain)
        step = next((s for s in STEPS if LABEL + SLOTS // s < width), STEPS[-1])
        if y == 0:
            segments = [Segment(self._hours(step), self.tone(Tone.MUTED))]
        elif y <= DAYS:
            segments = self._day(week, y - 1, step)
        else:
            segments = self._legend()
        used = sum(len(segment.text) for segment in segments)
        segments.append(Segment(" " * max(0, width - used), self.plain))
        return Strip(segments).crop(0, width).simplify()

    def _hours(self, step: int) -> str:
        cells_an_hour = 4 // step
        every = 3 if cells_an_hour < 3 else 2
        marks = "".join(fit(f"{hour:02d}", cells_an_hour * every) for hour in range(0, 24, every))
        return " " * LABEL + marks

    def _day(self, week: Week, place: int, step: int) -> list[Segment]:
        day = week.days[place]
        segments = [
            Segment(
                fit(f" {day.day:%a %m-%d}", LABEL),
                self.tone(Tone.STRONG if place == 0 else Tone.PLAIN),
            )
        ]
        for first in range(0, SLOTS, step):
            closed = any(day.closed[first : first + step])
            if place == 0 and first <= week.now < first + step:
                sign = self._glyphs.killed if closed else self._glyphs.mark
                segments.append(Segment(sign, self.tone(Tone.KEY)))
            elif closed:
                segments.append(Segment(self._glyphs.bar_full, self.tone(Tone.WARN)))
            else:
                segments.append(Segment(self._glyphs.waiting, self.tone(Tone.OK)))
        return segments

    def _legend(self) -> list[Segment]:
        glyphs, muted = self._glyphs, self.tone(Tone.MUTED)
        return [
            Segment(" " * LABEL, muted),
            Segment(glyphs.bar_full, self.tone(Tone.WARN)),
            Segment(" closed   ", muted),
            Segment(glyphs.waiting, self.tone(Tone.OK)),
            Segment(" open   ", muted),
            Segment(f"{glyphs.mark} {glyphs.killed}", self.tone(Tone.KEY)),
            Segment(" now, open or closed", muted),
        ]
