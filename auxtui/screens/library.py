"""A library in detail: state, space, who reaches it, and what lies on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from auxtui import columns as col
from auxtui import format as fmt
from auxtui.actions import Target
from auxtui.contents import library_facts
from auxtui.feed import Answer, Fresh, Watch
from auxtui.inert import safe
from auxtui.present import Cell, Row, Tone
from auxtui.screens.list_screen import ListScreen
from auxtui.targets import node_target
from engine.catalog.live_values import LiveLibrary


class LibraryScreen(ListScreen):
    """One library."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu"})
    COLUMNS = (
        col.Column(title="Policy / copy", width=20, flex=1),
        col.Column(title="Backup jobs", width=12, right=True),
        col.Column(title="Bytes", width=10, right=True),
    )
    EMPTY = "no copy uses this library"
    ABOUT = (
        "What is known of this library since its last probe, and what each copy has on it. A library"
        " without its marker is offline: an unmounted disk is never filled by mistake."
    )

    def __init__(self, library_id: int) -> None:
        super().__init__()
        self._library_id = library_id

    @property
    def library(self) -> LiveLibrary | None:
        """The library; None when it is gone."""
        estate = self.console.state.estate
        found = (one for one in estate.libraries if one.id == self._library_id) if estate else ()
        return next(iter(found), None)

    def crumbs(self) -> Sequence[str]:
        library = self.library
        return ("Libraries", safe(library.name) if library else "")

    def watches(self) -> Iterable[Watch]:
        return (Watch(topic="use", query=lambda live: live.library_use(self._library_id)),)

    def targets(self) -> tuple[Target, ...]:
        return node_target(self.console.state.estate, self.table.cursor_key)

    def pulse_changed(self) -> None:
        library = self.library
        if library is not None:
            self.facts.show(library_facts(library, self.look))
        else:
            self.facts.show([("Library", Cell("it is not there any more", Tone.BAD))])

    def take(self, message: Fresh | Answer) -> None:
        if isinstance(message, Fresh) and message.topic == "use":
            self.table.show_rows(
                Row(
                    ("copy", copy_id),
                    (
                        Cell(safe(f"{policy} / {copy}")),
                        Cell(f"{number:,}"),
                        Cell(fmt.size(size_bytes)),
                    ),
                )
                for copy_id, policy, copy, number, size_bytes in message.value
            )
