"""The Run Auxiliary Copy dialog: fields, and the plan with a reason for each backup job before OK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from auxtui import columns as col
from auxtui.feed import in_thread
from auxtui.inert import safe
from auxtui.present import Cell, Tone
from auxtui.run_form import (
    ALL_COPIES,
    ANY_AGENT,
    Field,
    field_tabs,
    fields_of,
    plan_facts,
    plan_rows,
    plan_sentence,
    read_form,
    secondary,
    shared_source_agents,
)
from auxtui.widgets.check import Check
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from auxtui.widgets.one_line import OneLine
from auxtui.widgets.tab_strip import TabStrip
from engine.catalog.live_values import Estate, LivePolicy
from engine.model.errors import AuxError
from engine.policy.values import RunOptions

if TYPE_CHECKING:
    from auxtui.app import ConsoleApp

TABS = ("General", "Advanced", "Plan")
_KEYS = (
    ("f2", "Start"),
    ("f6", "Next tab"),
    ("tab", "Next field"),
    ("esc", "Cancel"),
)


class RunAuxiliaryCopyScreen(ModalScreen[int | None]):
    """The dialog; gives the job id, or None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),  # without priority: an open list closes first
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
        Binding("f2,ctrl+s", "start", show=False, priority=True),
        Binding("f6", "tab(1)", show=False, priority=True),
        Binding("shift+f6", "tab(-1)", show=False, priority=True),
    ]
    CSS = """
    RunAuxiliaryCopyScreen { background: $background; layout: vertical; }
    RunAuxiliaryCopyScreen .page { height: 1fr; padding: 1 1 0 1; }
    RunAuxiliaryCopyScreen .field { height: 1; margin-bottom: 0; }
    RunAuxiliaryCopyScreen .field Label { width: 30; color: $tone-head; }
    RunAuxiliaryCopyScreen .field Input, RunAuxiliaryCopyScreen .field Select { width: 40; }
    RunAuxiliaryCopyScreen .field .note { width: 1fr; color: $tone-muted; padding-left: 1; }
    RunAuxiliaryCopyScreen .wrong { height: auto; color: $tone-bad; text-style: bold; padding: 0 1; }
    RunAuxiliaryCopyScreen Input { background: $panel; }
    RunAuxiliaryCopyScreen Input:focus { background: $cursor-back; color: $cursor-text; }
    RunAuxiliaryCopyScreen #totals { margin-top: 1; }
    RunAuxiliaryCopyScreen Select:focus > SelectCurrent {
        background: $cursor-back; color: $cursor-text;
    }
    RunAuxiliaryCopyScreen Button:focus {
        background: $cursor-back; color: $cursor-text; text-style: bold reverse;
    }
    RunAuxiliaryCopyScreen #buttons { height: 1; padding: 0 1; }
    RunAuxiliaryCopyScreen Button { margin-right: 2; }
    """

    def __init__(self, policy: LivePolicy, estate: Estate, options: Mapping[str, Any]) -> None:
        """Args:
        policy: what is run.
        estate: for the copies, libraries and MediaAgents to choose from.
        options: what stands in the form at the start.
        """
        super().__init__()
        self._policy = policy
        self._estate = estate
        self._kept = dict(options)
        self._fields = fields_of(policy, options)
        self._previewed: RunOptions | None = None
        self._starting = False

    @property
    def console(self) -> ConsoleApp:
        """The app, by its own type."""
        from auxtui.app import ConsoleApp

        assert isinstance(self.app, ConsoleApp)  # noqa: S101 - narrows a type
        return self.app

    def compose(self) -> ComposeResult:
        yield OneLine(id="title")
        yield TabStrip(TABS, id="tabs")
        for tab in TABS[:2]:
            with Vertical(id=tab.lower(), classes="page"):
                for field in self._fields:
                    if field.tab == tab:
                        yield from self._compose_field(field)
                if tab == "General":
                    yield Facts(id="totals")
        with Vertical(id="plan", classes="page"):
            yield LineTable(
                col.PLAN, glyphs=self.console.look.glyphs, empty="no plan yet", id="lines"
            )
        yield Static("", classes="wrong", id="wrong", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Start", id="start", compact=True)
            yield Button("Cancel", id="cancel", compact=True)
        yield OneLine(id="sentence")
        yield OneLine(id="help")
        yield OneLine(id="keys")

    def _compose_field(self, field: Field) -> Iterator[Widget]:
        with Horizontal(classes="field"):
            yield Label(field.label, markup=False)
            yield self._widget(field)

    def _widget(self, field: Field) -> Widget:
        if field.kind == "check":
            return Check(value=bool(field.value), glyphs=self.console.look.glyphs, id=field.name)
        if field.name == "copies":
            options = [(f"all active copies ({len(secondary(self._policy))})", ALL_COPIES)]
            options += [(c.name, c.name) for c in secondary(self._policy)]
            return _select(field, options, str(field.value))
        if field.kind == "choice":
            agents = shared_source_agents(self._policy, self._estate, ALL_COPIES)
            options = [("any", ANY_AGENT), *((name, name) for name in agents)]
            value = str(field.value) if field.value in agents else ANY_AGENT
            return _select(field, options, value, disabled=not agents)
        text = Input(str(field.value), id=field.name, compact=True)
        text.cursor_blink = False
        return text

    def on_mount(self) -> None:
        path = f"{self._estate.commcell} / {self._policy.name} / Run Auxiliary Copy"
        self.query_one("#title", OneLine).say(
            [Cell(" auxtui ", Tone.KEY), Cell(safe(path), Tone.STRONG)]
        )
        keys: list[Cell] = []
        for key, label in _KEYS:
            keys += [Cell(f" {key}", Tone.KEY), Cell(f" {label} ", Tone.MUTED)]
        self.query_one("#keys", OneLine).say(keys)
        self._show_tab("General")
        self.query_one("#copies").focus()
        self._preview()

    def action_cancel(self) -> None:
        """Leaves the dialog; nothing is started."""
        self.dismiss(None)

    def action_tab(self, step: int) -> None:
        """Shows the next tab, at once: the keys typed next belong to its first field."""
        self.query_one(TabStrip).step(step)
        self._enter_tab()

    def action_start(self) -> None:
        """Starts the run, when every field is right."""
        self.run_worker(self._start(), exclusive=True, group="start")

    @on(TabStrip.Changed)
    def _tab_clicked(self) -> None:
        self._show_tab(self.query_one(TabStrip).current)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_start()
        else:
            self.action_cancel()

    @on(Select.Changed)
    @on(Check.Changed)
    def _chosen(self) -> None:
        self._preview()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(Input.Blurred)
    def _left_field(self) -> None:
        self._preview()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        found = next((f for f in self._fields if f.name == event.widget.id), None)
        text = found.help if found else ""
        if found and found.name == "source_media_agent" and event.widget.disabled:
            text = "No source library is shared: there is one way to read it."
        self.query_one("#help", OneLine).say([Cell(f" {text}", Tone.MUTED)])

    def _enter_tab(self) -> None:
        name = self.query_one(TabStrip).current
        self._show_tab(name)
        first = {"General": "#copies", "Advanced": "#priority", "Plan": "#lines"}[name]
        self.set_focus(self.query_one(first))

    def _show_tab(self, name: str) -> None:
        for tab in TABS:
            self.query_one(f"#{tab.lower()}").display = tab == name

    def _values(self) -> dict[str, str | bool]:
        values: dict[str, str | bool] = {}
        for field in self._fields:
            widget = self.query_one(f"#{field.name}")
            if isinstance(widget, Check | Input):
                values[field.name] = widget.value
            elif isinstance(widget, Select):
                values[field.name] = str(widget.value)
        return values

    def _read(self) -> RunOptions | None:
        """The options, or None after the first wrong field was shown and focused."""
        options, wrong = read_form(self._values(), self._kept)
        self._show_wrong(wrong)
        if wrong:
            name = next(iter(wrong))
            field = next(f for f in self._fields if f.name == name)
            self.query_one(TabStrip).current = field.tab
            self.query_one(TabStrip).refresh()
            self._show_tab(field.tab)
            self.set_focus(self.query_one(f"#{name}"))
        return options

    def _show_wrong(self, wrong: Mapping[str, str]) -> None:
        self.query_one("#wrong", Static).update(Content("\n".join(map(safe, wrong.values()))))
        self.query_one(TabStrip).set_badges(field_tabs(wrong, self._fields))

    def _preview(self) -> None:
        options, wrong = read_form(self._values(), self._kept)
        self._show_wrong(wrong)
        if options is not None and options != self._previewed:
            self._previewed = options
            self._say(Cell(f"planning {self.console.look.glyphs.ellipsis}", Tone.MUTED))
            self.run_worker(self._plan(options), exclusive=True, group="plan")

    async def _plan(self, options: RunOptions) -> None:
        door, name = self.console.door, self._policy.name
        try:
            plan = await in_thread(lambda: door.preview(name, options))
        except AuxError as err:
            self._say(Cell(_error_text(err), Tone.BAD))
            return
        look = self.console.look
        self._say(plan_sentence(plan))
        for totals in self.query("#totals").results(Facts):
            totals.show(plan_facts(plan))
        for lines in self.query("#lines").results(LineTable):
            lines.show_rows(plan_rows(plan, look))

    async def _start(self) -> None:
        for field in self.query(Input):
            typed = asyncio.Event()  # what was typed into it before the key that starts has arrived
            field.call_later(typed.set)
            await typed.wait()
        options = self._read()
        if options is None or self._starting:
            return
        self._starting = True
        self._say(Cell("starting: asking the service"))
        door, name = self.console.door, self._policy.name
        try:
            job_id = await in_thread(lambda: door.run_auxcopy(name, options))
        except AuxError as err:
            self._starting = False
            self._say(Cell(_error_text(err), Tone.BAD))
            return
        self.dismiss(job_id)

    def _say(self, cell: Cell) -> None:
        # A query, which may be empty: a plan may arrive while the dialog is being taken away.
        for sentence in self.query("#sentence").results(OneLine):
            sentence.say([Cell(" Plan: ", Tone.STRONG), cell])


def _select(
    field: Field, options: list[tuple[str, str]], value: str, *, disabled: bool = False
) -> Select[str]:
    # Content, because a str would be read as markup; Select takes it, its annotation does not say so.
    choices: list[tuple[Any, str]] = [(Content(safe(label)), result) for label, result in options]
    return Select(
        choices,
        allow_blank=False,
        value=value,
        id=field.name,
        compact=True,
        disabled=disabled,
    )


def _error_text(error: AuxError) -> str:
    return safe(f"{error.message} ({error.hint})" if error.hint else error.message)
