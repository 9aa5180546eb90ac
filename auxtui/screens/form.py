"""A form on the whole screen: fields on tabs, what is wrong said at the field, what will happen below."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from auxtui.asking import error_text
from auxtui.form import NOTHING, FormField, Judgement, Values, badges, first_wrong, tabs_of
from auxtui.inert import safe
from auxtui.present import Cell, Tone
from auxtui.screens.closing import WholeScreen
from auxtui.widgets.check import Check
from auxtui.widgets.facts import Facts
from auxtui.widgets.one_line import OneLine
from auxtui.widgets.status_line import StatusLine
from auxtui.widgets.tab_strip import TabStrip
from auxtui.widgets.text_field import TextField
from engine.model.errors import AuxError

if TYPE_CHECKING:
    from auxtui.app import ConsoleApp

R = TypeVar("R")


class FormScreen(WholeScreen[R | None]):
    """A form; a subclass judges it and does what it is for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),  # without priority: an open list closes first
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
        Binding("f2,ctrl+s", "finish", show=False, priority=True),
        Binding("f6", "tab(1)", show=False, priority=True),
        Binding("shift+f6", "tab(-1)", show=False, priority=True),
    ]
    DO: ClassVar[str] = "Save"
    """What the button that finishes it is called."""
    MORE: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    """Further buttons: key, label, action."""
    SAID: ClassVar[str] = ""
    """What stands before the line that says what will happen."""
    DEFAULT_CSS = """
    FormScreen { background: $background; layout: vertical; }
    FormScreen .page {
        height: auto; max-height: 1fr; padding: 1 1 0 1; scrollbar-size-vertical: 1;
    }
    FormScreen #below { height: 1fr; padding: 1 0 0 0; scrollbar-size-vertical: 1; }
    FormScreen .field { height: 1; }
    FormScreen .field Label { width: 24; color: $tone-head; }
    FormScreen .field Input, FormScreen .field Select, FormScreen .field Check {
        width: 1fr; max-width: 100;
    }
    FormScreen .field .fixed { width: 1fr; color: $foreground; }
    FormScreen .fault { display: none; height: auto; color: $tone-bad; text-style: bold;
        padding: 0 0 0 24; }
    FormScreen #whole { padding: 0 1; }
    FormScreen Input { background: $panel; }
    FormScreen Input:focus { background: $cursor-back; color: $cursor-text; }
    FormScreen Select:focus > SelectCurrent { background: $cursor-back; color: $cursor-text; }
    FormScreen Button:focus {
        background: $cursor-back; color: $cursor-text; text-style: bold reverse;
    }
    FormScreen #buttons { height: 1; padding: 0 1; }
    FormScreen Button { margin-right: 2; }
    FormScreen .page.-other { display: none; }
    """

    def __init__(self, crumbs: Sequence[str], fields: Sequence[FormField]) -> None:
        """Args:
        crumbs: where one is, from the outside in.
        fields: tab by tab, in the order of the form.
        """
        super().__init__()
        self._crumbs = tuple(crumbs)
        self.fields = tuple(fields)
        self._tabs = tabs_of(fields)
        self.hidden: frozenset[str] = frozenset()
        """Fields that are of no use now, besides those that say so themselves."""
        self._start: dict[str, str | bool] = {}
        self._judged: Values | None = None
        self._judging = asyncio.Lock()
        """One after the other: what is shown at last is about what was asked last."""
        self._finishing = False
        self._warned = False
        self.begins_empty = False
        """What is wrong with a field is said when it was left, or the form is to be finished: not before."""
        self._wrong: Mapping[str, str] = {}
        self._visited: set[str] = set()

    @property
    def console(self) -> ConsoleApp:
        """The app, by its own type."""
        from auxtui.app import ConsoleApp

        assert isinstance(self.app, ConsoleApp)  # noqa: S101 - narrows a type
        return self.app

    @abstractmethod
    async def judge(self, values: Values) -> Judgement:
        """What is wrong with these values, and what would happen with them. May raise `AuxError`."""

    @abstractmethod
    async def finish(self, values: Values, judgement: Judgement) -> R | None:
        """Does what the form is for, with values that were judged so; None keeps it open. May raise `AuxError`."""

    def compose(self) -> ComposeResult:
        yield from self.compose_too_small()
        yield OneLine(id="title")
        if len(self._tabs) > 1:
            yield TabStrip(self._tabs, id="tabs")
        for number, tab in enumerate(self._tabs):
            with VerticalScroll(id=f"page-{number}", classes="page", can_focus=False):
                for one in self.fields:
                    if one.tab == tab:
                        yield from self._compose_field(one)
        with VerticalScroll(id="below", can_focus=False):
            yield Static("", classes="fault", id="whole", markup=False)
            yield Facts(id="facts")
        with Horizontal(id="buttons"):
            yield Button(self.DO, id="do", compact=True)
            for number, (_, label, _) in enumerate(self.MORE):
                yield Button(label, id=f"more-{number}", compact=True)
            yield Button("Cancel", id="cancel", compact=True)
        yield StatusLine(id="sentence")
        yield OneLine(id="help")
        yield OneLine(id="keys")

    def _compose_field(self, one: FormField) -> Iterator[Widget]:
        with Vertical(id=f"row-{one.name}") as row:
            row.styles.height = "auto"
            with Horizontal(classes="field"):
                yield Label(one.label, markup=False)
                yield self._widget(one)
            yield Static("", classes="fault", id=f"fault-{one.name}", markup=False)

    def _widget(self, one: FormField) -> Widget:
        name = f"field-{one.name}"
        if one.fixed:
            return Static(Content(safe(str(one.value))), classes="fixed", id=name)
        if one.kind == "check":
            return Check(value=bool(one.value), glyphs=self.console.look.glyphs, id=name)
        if one.kind == "choice":
            # Content, because a str would be read as markup; Select takes it, its annotation does not.
            choices: list[tuple[Any, str]] = [
                (Content(safe(label)), value) for label, value in one.choices
            ]
            known = {value for _, value in one.choices}
            if str(one.value) not in known:
                choices.insert(0, (Content(safe(str(one.value)) or "choose one"), str(one.value)))
            return Select(choices, allow_blank=False, value=str(one.value), id=name, compact=True)
        return TextField(str(one.value), id=name)

    def on_mount(self) -> None:
        self._title()
        if self.fields:
            self._begin()

    async def show_fields(self, fields: Sequence[FormField]) -> None:
        """Shows the fields that were not known when the form was opened."""
        self.fields = tuple(fields)
        self._tabs = tabs_of(fields)
        await self.recompose()
        self._title()
        self._begin()

    def _begin(self) -> None:
        self.on_resize()
        self.query_one("#keys", OneLine).say(self._key_cells())
        self._start = dict(self.values())
        self._show_tab(self._tabs[0])
        self._focus_first(self._tabs[0])
        self.rejudge()

    def values(self) -> dict[str, str | bool]:
        """What stands in the fields now."""
        found: dict[str, str | bool] = {}
        for one in self.fields:
            widget = self.query_one(f"#field-{one.name}")
            if isinstance(widget, Check | Input):
                found[one.name] = widget.value
            elif isinstance(widget, Select):
                found[one.name] = str(widget.value)
            else:
                found[one.name] = one.value
        return found

    def visit(self, name: str) -> None:
        """What is wrong with a field is said from now on."""
        self._visited.add(name)

    def set_value(self, name: str, value: str) -> None:
        """Puts a text into a field."""
        self.query_one(f"#field-{name}", Input).value = value

    def action_cancel(self) -> None:
        """Leaves the form; what was typed is asked about once."""
        if self.values() != self._start and not self._warned:
            self._warned = True
            self.say(Cell("not saved: esc once more gives it up", Tone.WARN))
            return
        self.dismiss(None)

    def action_tab(self, step: int) -> None:
        """Shows the next tab, at once: the keys typed next belong to its first field."""
        for strip in self.query(TabStrip):
            strip.step(step)
            self._show_tab(strip.current)
            self._focus_first(strip.current)

    def action_finish(self) -> None:
        """Does what the form is for, when every field is right."""
        if self.fields:  # else they could not be read, which is said
            self.run_worker(self._finish(), exclusive=True, group="finish")

    @on(TabStrip.Changed)
    def _tab_clicked(self) -> None:
        self._show_tab(self.query_one(TabStrip).current)

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        name = event.button.id or ""
        if name == "do":
            self.action_finish()
        elif name == "cancel":
            self.action_cancel()
        else:
            await self.run_action(self.MORE[int(name.removeprefix("more-"))][2])

    @on(Select.Changed)
    @on(Check.Changed)
    def _chosen(self) -> None:
        values = self.values()
        self._visited |= {name for name, was in self._start.items() if values[name] != was}
        self.rejudge()

    @on(Input.Blurred)
    def _left(self, event: Input.Blurred) -> None:
        self.visit((event.input.id or "").removeprefix("field-"))
        self.rejudge()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._warned = False

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        name = (event.widget.id or "").removeprefix("field-")
        found = next((one for one in self.fields if one.name == name), None)
        self.query_one("#help", OneLine).say([Cell(f" {found.help if found else ''}", Tone.MUTED)])

    def rejudge(self) -> None:
        """Lets the engine look at the form as it is now, if it is not as it was."""
        values = self.values()
        self._show_fields(values)
        if values != self._judged:
            self._judged = values
            self.run_worker(self._judge(values), exclusive=True, group="judge")
        else:
            self._show_wrong(self._wrong)  # a field was left as it was

    def say(self, cell: Cell) -> None:
        """Says something in the line below the buttons."""
        # A query, which may be empty: an answer may arrive while the form is being taken away.
        for line in self.query("#sentence").results(StatusLine):
            before = [Cell(f" {self.SAID}: ", Tone.STRONG)] if self.SAID else [Cell(" ")]
            line.say([*before, cell], whole=True)

    async def _judge(self, values: Values) -> Judgement | None:
        async with self._judging:
            try:
                judgement = await self.judge(values)
            except AuxError as err:
                judgement = Judgement(wrong={"": error_text(err)})
        if not self.is_mounted:
            return None
        self._show_fields(values)
        self._show_wrong(judgement.wrong)
        self.say(judgement.said if judgement.said.text else self._still_open(judgement))
        for facts in self.query("#facts").results(Facts):
            facts.show(judgement.facts)
        return judgement

    async def _finish(self) -> None:
        for widget in self.query(Input):
            typed = asyncio.Event()  # what was typed into it before the key has arrived then
            widget.call_later(typed.set)
            await typed.wait()
        if self._finishing:
            return
        self._finishing = True
        self.begins_empty = False
        try:
            values = self.values()
            judgement = await self._judge(values)
            self._judged = values
            if judgement is None or not judgement.is_good:
                self._go_to_wrong(judgement)
                return
            result = await self.finish(values, judgement)
        except AuxError as err:
            self._show_wrong({"": error_text(err)})
            return
        finally:
            self._finishing = False
        if result is not None:
            self.dismiss(result)

    def _go_to_wrong(self, judgement: Judgement | None) -> None:
        found = first_wrong(judgement.wrong, self.fields) if judgement else None
        if found is None:
            return
        for strip in self.query(TabStrip):
            strip.show(found.tab)
        self._show_tab(found.tab)
        widget = self.query_one(f"#field-{found.name}")
        if widget.can_focus:
            self.set_focus(widget)
        self.query_one(f"#row-{found.name}").scroll_visible(animate=False)
        why = judgement.wrong[found.name] if judgement else ""
        self.say(Cell(f"{found.label}: {safe(why)}", Tone.WARN))

    def _still_open(self, judgement: Judgement) -> Cell:
        """What a form that has just begun waits for."""
        found = first_wrong(judgement.wrong, self.fields)
        if found is None or self._is_said(found.name):
            return NOTHING
        return Cell(f"still to fill in: {found.label.strip()}", Tone.MUTED)

    def _is_said(self, name: str) -> bool:
        return not self.begins_empty or name in self._visited

    def _show_wrong(self, wrong: Mapping[str, str]) -> None:
        self._wrong = wrong
        names = {one.name for one in self.fields}
        wrong = {
            name: text for name, text in wrong.items() if name not in names or self._is_said(name)
        }
        for one in self.fields:
            self._fault(f"fault-{one.name}", wrong.get(one.name, ""))
        others = [text for name, text in wrong.items() if name not in names]
        self._fault("whole", "\n".join(others))
        for strip in self.query(TabStrip):
            strip.set_badges(badges(wrong, self.fields))

    def _fault(self, name: str, text: str) -> None:
        for line in self.query(f"#{name}").results(Static):
            line.update(Content("\n".join(safe(part) for part in text.split("\n"))))
            line.display = bool(text)

    def _show_fields(self, values: Values) -> None:
        for one in self.fields:
            shown = one.applies(values) and one.name not in self.hidden
            self.query_one(f"#row-{one.name}").display = shown

    def _show_tab(self, name: str) -> None:
        for number, tab in enumerate(self._tabs):
            self.query_one(f"#page-{number}").set_class(tab != name, "-other")

    def _focus_first(self, tab: str) -> None:
        for one in self.fields:
            widget = self.query_one(f"#field-{one.name}")
            if one.tab == tab and widget.can_focus and one.applies(self.values()):
                self.set_focus(widget)
                return

    def _title(self) -> None:
        path = " / ".join((*filter(None, [self._commcell()]), *self._crumbs))
        self.query_one("#title", OneLine).say(
            [Cell(" auxtui ", Tone.KEY), Cell(safe(path), Tone.STRONG)]
        )

    def _key_cells(self) -> list[Cell]:
        pairs = [("f2", self.DO)]
        pairs += [(key, label) for key, label, _ in self.MORE if key]
        if len(self._tabs) > 1:
            pairs.append(("f6", "Next tab"))
        pairs += [("tab", "Next field"), ("esc", "Cancel")]
        cells: list[Cell] = []
        for key, label in pairs:
            cells += [Cell(f" {key}", Tone.KEY), Cell(f" {label} ", Tone.MUTED)]
        return cells

    def _commcell(self) -> str:
        estate = self.console.state.estate
        return estate.commcell if estate else ""
