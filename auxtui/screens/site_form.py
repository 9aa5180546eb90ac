"""An item of the configuration as a form: judged by the code of site files, shown as TOML, and applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Button

from auxtui.asking import error_text
from auxtui.feed import in_thread
from auxtui.form import Judgement, Values
from auxtui.inert import safe
from auxtui.initiation import run_facts
from auxtui.present import Cell, Fact, Tone
from auxtui.screens.dialog import Dialog
from auxtui.screens.form import FormScreen
from auxtui.screens.help import TextScreen
from auxtui.site_forms import (
    BACKLOG,
    NAME,
    Filled,
    Item,
    Place,
    change_facts,
    fields_of,
    is_needed,
    next_copy_name,
    place_of,
    table_of,
    wrong_field,
)
from auxtui.site_key import Document
from auxtui.site_keys import kind_word
from auxtui.widgets.facts import Facts
from engine.model.errors import AuxError, SiteError, UsageError
from engine.model.states import CopyKind


class ReviewScreen(Dialog[bool]):
    """What will change, item by item, before it is done."""

    KEYS = "y Apply   n or esc Back to the form   up down Scroll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", show=False, priority=True),
        Binding("n", "answer(False)", show=False, priority=True),
        Binding("left,right", "app.focus_next", show=False, priority=True),
        Binding("down", "scroll(1)", show=False, priority=True),
        Binding("up", "scroll(-1)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    ReviewScreen > #box { width: 110; }
    ReviewScreen VerticalScroll { height: auto; max-height: 60vh; background: $surface;
        scrollbar-size-vertical: 1; margin-bottom: 1; }
    ReviewScreen Facts { background: $surface; }
    ReviewScreen Horizontal { height: 1; margin-bottom: 1; }
    ReviewScreen Button { margin-right: 2; }
    """

    def __init__(self, facts: Sequence[Fact]) -> None:
        super().__init__("This will change")
        self._facts = facts

    def compose_box(self) -> Iterator[Widget]:
        with VerticalScroll(can_focus=False):
            yield Facts()
        with Horizontal():
            yield Button("No", id="no", compact=True)
            yield Button("Apply", id="yes", compact=True)

    def on_mount(self) -> None:
        self.query_one(Facts).show(self._facts)
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Answers by key."""
        self.dismiss(yes)

    def action_scroll(self, lines: int) -> None:
        """Scrolls by lines."""
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_to(y=scroll.scroll_y + lines, animate=False)


class SiteFormScreen(FormScreen[str]):
    """The form of one item; gives its name when it was applied."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f3", "toml", show=False, priority=True)]
    DO = "Apply"
    MORE: ClassVar[tuple[tuple[str, str, str], ...]] = (("f3", "Show as TOML", "toml"),)

    def __init__(
        self,
        kind: str,
        *,
        loaded: Callable[[], None],
        name: str = "",
        owner: str = "",
        is_new: bool = False,
        proposed: Mapping[str, Any] | None = None,
    ) -> None:
        """Args:
        kind: of the item.
        loaded: called when the fields are there, or will not be.
        name: of the item; of a new one, a proposal.
        owner: the policy of a copy, the client of a subclient.
        is_new: it is to be made.
        proposed: values of the new one that are known already.
        """
        what = f"New {kind_word(kind)}" if is_new else f"{kind_word(kind)} {name}"
        super().__init__((*filter(None, [owner]), what), ())
        self._loaded = loaded
        self.begins_empty = is_new
        self._kind, self._name_given, self._owner, self._is_new = kind, name, owner, is_new
        self._document: Document = {}
        self._proposed = proposed or {}
        self._item = Item(kind=kind, place=place_of(kind, name, owner), before=None)

    def on_mount(self) -> None:
        super().on_mount()
        self.say(Cell(f"reading the configuration {self.console.look.glyphs.ellipsis}"))
        self.run_worker(self._load(), exclusive=True, group="load")

    def on_unmount(self) -> None:
        self._loaded()

    def action_toml(self) -> None:
        """Shows the item as it stands in a site file."""
        if self.fields:
            self.run_worker(self._show_toml(), exclusive=True, group="toml")

    async def judge(self, values: Values) -> Judgement:
        filled = table_of(self._item, values)
        if filled.wrong:
            return Judgement(wrong=filled.wrong)
        try:
            outcome = await self._edit(filled, dry_run=True)
        except SiteError as err:
            located = self._located(filled.place, err)
            return Judgement(wrong=await self._wrong_when(values) | located)
        wrong = await self._asked(values)
        changes = change_facts(_changes(outcome, values))
        facts = [*await self._runs(values), *changes]
        said = "nothing is changed yet" if not changes else "this will change; f2 asks once more"
        return Judgement(wrong=wrong, said=Cell(said, Tone.MUTED), facts=facts, outcome=outcome)

    async def finish(self, values: Values, judgement: Judgement) -> str | None:
        filled = table_of(self._item, values)
        if not judgement.outcome.changes:
            self.say(Cell("there is nothing to change", Tone.WARN))
            return None
        changes = change_facts(_changes(judgement.outcome, values))
        if not await self.app.push_screen_wait(ReviewScreen(changes)):
            self.say(Cell("nothing was changed", Tone.WARN))
            return None
        try:
            await self._edit(filled, dry_run=False)
        except SiteError as err:
            wrong = self._located(filled.place, err)
            self._show_wrong(wrong)
            return None
        return filled.place[-1]

    async def _load(self) -> None:
        try:
            await self._read()
        finally:
            self._loaded()

    async def _read(self) -> None:
        door = self.console.door
        try:
            self._document = dict(await in_thread(door.site))
        except AuxError as err:
            self.say(Cell(error_text(err), Tone.BAD))
            return
        name = self._name_given
        if self._is_new and self._kind == "copy" and not name:
            name = next_copy_name(self._document, self._owner)
        place = place_of(self._kind, name, self._owner)
        before = None if self._is_new else _own(self._document, place)
        self._item = Item(kind=self._kind, place=place, before=before, proposed=self._proposed)
        self.hidden = frozenset({BACKLOG})
        await self.show_fields(fields_of(self._item, self._document))

    async def _edit(self, filled: Filled, *, dry_run: bool) -> Any:
        door, before = self.console.door, self._item.before
        return await in_thread(
            lambda: door.edit(filled.place, filled.table, before, dry_run=dry_run)
        )

    def _located(self, place: Place, err: SiteError) -> dict[str, str]:
        """The engine's refusal at the field that it is about."""
        name = wrong_field(self._item, place, err.path, err.message)
        if name == NAME and not place[-1]:
            return {name: "give it a name"}
        if name and is_needed(err.message):
            return {name: "it is needed"}
        where = ""
        if tuple(err.path[: len(place)]) != place:
            where = ".".join(str(part) for part in err.path) + ": "
        return {name: f"{safe(where)}{error_text(err)}"}

    async def _asked(self, values: Values) -> dict[str, str]:
        """The question about the backlog of a new copy, when it is due and not answered."""
        if self._kind != "copy" or not self._is_new or values["kind"] == CopyKind.PRIMARY:
            return {}
        door, owner, source = self.console.door, self._owner, str(values.get("source", ""))
        question = await in_thread(lambda: door.new_copy_question(owner, source))
        self.hidden = frozenset() if question else frozenset({BACKLOG})
        if question and not values[BACKLOG]:
            self.visit(BACKLOG)
            return {BACKLOG: question}
        if question and values[BACKLOG] == "date" and not str(values["on_and_after"]).strip():
            return {"on_and_after": "which date? e.g. 2026-01-31"}
        return {}

    async def _runs(self, values: Values) -> list[Fact]:
        """The next runs of a schedule."""
        if self._kind != "schedule":
            return []
        commcell: Mapping[str, Any] = self._document.get("commcell", {})
        zone = str(values["time_zone"]).strip() or str(commcell.get("time_zone", "UTC"))
        when, look = str(values["when"]), self.console.look
        return await in_thread(lambda: run_facts(when, zone, look))

    async def _wrong_when(self, values: Values) -> dict[str, str]:
        """What is wrong with the time of a schedule, which the engine does not reach behind another fault."""
        when, look = str(values.get("when", "")).strip(), self.console.look
        if self._kind != "schedule" or not when:
            return {}
        try:
            await in_thread(lambda: run_facts(when, "UTC", look))
        except AuxError as err:
            return {"when": error_text(err)}
        return {}

    async def _show_toml(self) -> None:
        self.begins_empty = False
        judgement = await self._judge(self.values())
        if judgement is None or judgement.outcome is None:
            self.say(Cell("what is wrong comes first", Tone.WARN))
            return
        self.app.push_screen(TextScreen("As TOML", toml_facts(judgement.outcome.text)))


class WindowFormScreen(SiteFormScreen):
    """The form of an operation window; its week can be edited as a grid."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f4", "week", show=False, priority=True)]
    MORE = (*SiteFormScreen.MORE, ("f4", "Week as a Grid", "week"))

    def action_week(self) -> None:
        """Edits the periods as a grid."""
        from auxtui.screens.week_edit import WeekEditScreen

        def edited(periods: str | None) -> None:
            if periods is not None:
                self.set_value("do_not_run", periods)
                self.rejudge()

        if not self.fields:
            return
        periods = str(self.values()["do_not_run"])
        try:
            screen = WeekEditScreen(periods, glyphs=self.console.look.glyphs)
        except UsageError as err:
            self.say(Cell(f"no grid: {error_text(err)}", Tone.WARN))
            return
        self.app.push_screen(screen, edited)


def _changes(outcome: Any, values: Values) -> list[Any]:
    """What it changes; the question about the backlog goes with its answer."""
    changes = list(outcome.changes)
    if values.get(BACKLOG) != "all":
        return changes
    added = ("copy", "added")
    return [replace(c, note="") if (c.kind, c.change) == added else c for c in changes]


def toml_facts(text: str) -> list[Fact]:
    """Lines of a site file."""
    lines = text.rstrip("\n").split("\n") if text else []
    if not lines:
        return [("", Cell("nothing: all of it is as it is by itself", Tone.MUTED))]
    return [
        ("", Cell(safe(line), Tone.KEY if line.startswith("[") else Tone.PLAIN)) for line in lines
    ]


def _own(document: Document, place: Place) -> Document:
    """The table of an item without the items below it; empty when all is as it is by itself."""
    from engine.site.editing import own_keys, table_at

    return own_keys(place, table_at(document, place) or {})
