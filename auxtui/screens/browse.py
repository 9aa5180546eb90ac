"""Browse: the tree of paths in a backup, with marks, and the restore of what is marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from auxtui import columns as col
from auxtui.actions import Target
from auxtui.asking import error_text
from auxtui.feed import in_thread
from auxtui.present import Cell, Tone
from auxtui.restoring import DIRECTORY, TOP, Entry, PathTree, Wanted, entry_row, marked_words
from auxtui.screens.base import ConsoleScreen
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from auxtui.widgets.path_table import PathTable
from engine.model.errors import AuxError


class BrowseScreen(ConsoleScreen):
    """The tree of paths."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "mark"})
    ABOUT = (
        "What is in a backup. Right or enter unfolds a directory, left folds it. Space marks a path"
        " for the restore; a marked directory stands for all below it. s restores what is marked, or"
        " what the cursor is on."
    )

    def __init__(self, wanted: Wanted, copies: tuple[str, ...]) -> None:
        """Args:
        wanted: the backup job, or the subclient as of a time.
        copies: names of the copies of the policy, for the restore.
        """
        super().__init__()
        self.wanted = wanted
        self.copies = copies
        self._tree = PathTree()
        self._entries: dict[bytes, Entry] = {}
        self._trouble = ""

    def compose_body(self) -> ComposeResult:
        yield Facts(id="facts")
        yield PathTable(
            col.PATHS, glyphs=self.look.glyphs, empty="reading what is in it", id="list"
        )

    def first_focus(self) -> Widget | None:
        return self.table

    def on_mount(self) -> None:
        super().on_mount()
        self._say()
        self._read(TOP)

    @property
    def table(self) -> PathTable:
        """The tree."""
        return self.query_one("#list", PathTable)

    def crumbs(self) -> Sequence[str]:
        return (self.wanted.name, "browse")

    def targets(self) -> tuple[Target, ...]:
        key = self.table.cursor_key
        paths = sorted(self._tree.marks) or ([key] if isinstance(key, bytes) else [])
        if not paths:
            return ()
        chosen = replace(self.wanted, paths=tuple(paths))
        return (Target(kind="path", id=0, name=marked_words(set(paths)), value=chosen),)

    def mark(self) -> None:
        """Marks or unmarks the path under the cursor."""
        key = self.table.cursor_key
        if not isinstance(key, bytes):
            return
        refused = self._tree.toggle(key)
        if refused:
            self.flash(refused, Tone.WARN)
        self.table.action_move(1)
        self._draw()

    def back(self) -> bool:
        if not self._tree.marks:
            return False
        self._tree.marks.clear()
        self._draw()
        return True

    def row_chosen(self, table: LineTable) -> None:
        key = table.cursor_key
        if isinstance(key, bytes):
            self._turn(key, is_unfold=key not in self._tree.unfolded)

    @on(PathTable.Turned)
    def _turned(self, message: PathTable.Turned) -> None:
        self._turn(message.path, is_unfold=message.is_unfold)

    @on(LineTable.Highlighted)
    def _cursor_moved(self) -> None:
        self.refresh_frame()

    def _turn(self, path: bytes, *, is_unfold: bool) -> None:
        entry = self._entries.get(path)
        is_directory = entry is not None and entry.kind == DIRECTORY
        if is_unfold and is_directory:
            self._tree.unfolded.add(path)
            if path in self._tree.children:
                self._draw()
            else:
                self._read(path)
        elif not is_unfold and path in self._tree.unfolded:
            self._tree.unfolded.remove(path)
            self._draw()
        elif not is_unfold:
            self.table.move_to(path.rpartition(b"/")[0])

    def _read(self, path: bytes) -> None:
        self.run_worker(self._load(path), group="browse", exit_on_error=False)

    async def _load(self, path: bytes) -> None:
        door, wanted = self.console.door, self.wanted
        try:
            entries = await in_thread(lambda: door.browse(wanted, path))
        except AuxError as err:
            self._trouble = error_text(err)
            self._tree.unfolded.discard(path)
        else:
            self._trouble = ""
            self._tree.children[path] = entries
        if self.is_mounted:
            self._draw()

    def _draw(self) -> None:
        lines = list(self._tree.visible())
        self._entries = {path: entry for path, entry, _ in lines}
        table = self.table
        table.empty = self._trouble or ("nothing is in it" if TOP in self._tree.children else "")
        table.show_rows(
            entry_row(path, entry, depth, self._tree, self.look) for path, entry, depth in lines
        )
        marked = {path for path, _, _ in lines if self._tree.is_marked(path)}
        if marked != table.marked:
            table.marked = set(marked)
            table.refresh()
        self._say()
        self.refresh_frame()

    def _say(self) -> None:
        marks = self._tree.marks
        text = marked_words(marks) if marks else "nothing: s restores what the cursor is on"
        as_of = self.wanted.as_of
        when = f" as of {self.look.time(as_of)}" if as_of else ""
        facts = [
            ("In", Cell(f"{self.wanted.name}{when}", Tone.STRONG)),
            ("Marked", Cell(text, Tone.WARN if marks else Tone.MUTED)),
        ]
        if self._trouble:
            facts.append(("Trouble", Cell(self._trouble, Tone.BAD)))
        self.query_one(Facts).show(facts)
