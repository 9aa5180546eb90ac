"""Data aging before it is done: what would go, what stays and who holds it; then the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from auxtui import columns as col
from auxtui.actions import Target
from auxtui.aging import VIEWS, Document, aging_facts, aging_row, lines_of
from auxtui.asking import error_text
from auxtui.feed import in_thread
from auxtui.inert import safe
from auxtui.present import Cell, Tone
from auxtui.screens.list_screen import ListScreen
from engine.model.errors import AuxError
from engine.model.states import Operation


class AgingScreen(ListScreen):
    """The preview of one policy, or of all."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "filter", "state"})
    COLUMNS = col.AGING
    EMPTY = "reading"
    ABOUT = (
        "What data aging would do now, decided by the retention of each copy: what goes, what stays,"
        " and what only a copy that still waits for it keeps. Nothing is deleted before you run it and"
        " type the name. f goes round the views."
    )

    def __init__(self, policy: str | None, name: str) -> None:
        """Args:
        policy: of this one only; None: of all.
        name: what is typed to confirm.
        """
        super().__init__()
        self.policy = policy
        self._named = name
        self._document: Document | None = None
        self._trouble = ""
        self._ended: frozenset[int] | None = None
        """Runs of data aging that have ended: what was decided before one is no longer so."""
        self._view = 0

    def on_mount(self) -> None:
        super().on_mount()
        self._draw()
        self.look_again()

    def crumbs(self) -> Sequence[str]:
        return (safe(self._named), "data aging")

    def targets(self) -> tuple[Target, ...]:
        if self._document is None:
            return ()
        value = (self.policy, self._document)
        return (Target(kind="aging", id=0, name=self._named, value=value),)

    def pulse_changed(self) -> None:
        pulse = self.console.state.pulse
        if pulse is None:
            return
        before = self._ended
        self._ended = frozenset(job.id for job in pulse.recent if job.operation is Operation.AGING)
        if before is not None and self._ended - before:
            self.look_again()

    def filter_changed(self) -> None:
        self._draw()

    def next_state(self) -> None:
        """Goes round the views."""
        self._view = (self._view + 1) % len(VIEWS)
        self._draw()

    def look_again(self) -> None:
        """Decides anew."""
        self.run_worker(self._load(), exclusive=True, group="aging", exit_on_error=False)

    async def _load(self) -> None:
        door, policy = self.console.door, self.policy
        try:
            self._document = await in_thread(lambda: door.preview_aging(policy))
            self._trouble = ""
        except AuxError as err:
            self._document, self._trouble = None, error_text(err)
        if self.is_mounted:
            self._draw()

    def _draw(self) -> None:
        view = VIEWS[self._view]
        self.facts.show(aging_facts(self._document, view))
        if self._trouble:
            self.facts.show([("Data aging", Cell(self._trouble, Tone.BAD))])
            self.table.empty = "nothing could be decided"
            self.table.show_rows(())
        if self._document is not None:
            self.table.empty = "no job copy is in this view"
            lines = lines_of(self._document, view, self.text)
            self.table.show_rows(aging_row(n, line, self.look) for n, line in enumerate(lines))
        self.refresh_frame()
