"""A plot on the screen: drawn by a thread, repainted only when it has changed."""

from __future__ import annotations

from datetime import tzinfo

from rich.segment import Segment
from textual import work
from textual.strip import Strip

from auxtui.feed import in_thread
from auxtui.fitting import fit
from auxtui.glyphs import Glyphs
from auxtui.plots import Chart, chart_lines
from auxtui.present import Tone
from auxtui.widgets.toned import Toned


class ChartView(Toned):
    """Shows a chart as large as it is itself."""

    DEFAULT_CSS = """
    ChartView { height: 1fr; background: $background; color: $foreground; }
    """

    def __init__(self, *, glyphs: Glyphs, zone: tzinfo | None, empty: str, id: str) -> None:
        """Args:
        glyphs: the set from which its signs are.
        zone: in which times stand at the axis.
        empty: said when there is nothing to plot.
        id: of the widget.
        """
        super().__init__(id=id)
        self._glyphs = glyphs.name
        self._zone = zone
        self._empty = empty
        self._chart: Chart | None = None
        self._lines: tuple[str, ...] = ()
        self._drawn_for: tuple[Chart | None, int, int] = (None, 0, 0)

    def show(self, chart: Chart) -> None:
        """Plots something else."""
        if chart != self._chart:
            self._chart = chart
            self._redraw()

    def on_resize(self) -> None:
        """Draws it for the new size."""
        self._redraw()

    def _redraw(self) -> None:
        chart, width, height = self._chart, self.size.width, self.size.height - 1
        if chart is not None and (chart, width, height) != self._drawn_for and height > 0:
            self._drawn_for = (chart, width, height)
            self._draw(chart, width, height)

    @work(exclusive=True, group="plot", exit_on_error=False)
    async def _draw(self, chart: Chart, width: int, height: int) -> None:
        self._lines = await in_thread(
            lambda: chart_lines(chart, width, height, glyphs=self._glyphs, zone=self._zone)
        )
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draws a line of the plot."""
        width = self.size.width
        if not self._lines:
            text = f" {self._empty}" if y == 0 and self._chart is not None else ""
            return Strip([Segment(fit(text, width), self.tone(Tone.MUTED))])
        text = self._lines[y] if y < len(self._lines) else ""
        style = (
            self.part("title", "tone-head", "background", "bold") if y == 0 else self.tone(Tone.RUN)
        )
        return Strip([Segment(fit(text, width), style)], width)
