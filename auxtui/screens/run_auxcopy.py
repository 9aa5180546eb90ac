"""The Run Auxiliary Copy dialog: fields, and the plan with a reason for each backup job before it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from auxtui import columns as col
from auxtui.feed import in_thread
from auxtui.inert import safe
from auxtui.initiation import initiation_facts, wrong_fields
from auxtui.present import Cell, Tone
from auxtui.run_fields import (
    ADVANCED,
    ALERT_TIMES,
    BELONGS_TO,
    GENERAL,
    INITIATION,
    INITIATIONS,
    NOW,
    PLAN,
    SCRIPT,
    TABS,
    Field,
)
from auxtui.run_form import (
    ALL_COPIES,
    ANY_AGENT,
    Form,
    Initiation,
    field_tabs,
    fields_of,
    read_form,
    secondary,
    shared_source_agents,
)
from auxtui.run_plan import plan_facts, plan_rows, plan_sentence, started
from auxtui.screens.closing import WholeScreen
from auxtui.widgets.check import Check
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from auxtui.widgets.one_line import OneLine
from auxtui.widgets.status_line import StatusLine
from auxtui.widgets.tab_strip import TabStrip
from auxtui.widgets.text_field import TextField
from engine.catalog.live_values import Estate, LivePolicy
from engine.model.errors import AuxError
from engine.policy.values import RunOptions

if TYPE_CHECKING:
    from auxtui.app import ConsoleApp

_FIRST = {
    GENERAL: "#copies",
    INITIATION: "#initiation",
    ADVANCED: "#priority",
    PLAN: "#lines",
}
_DOES = {NOW: "Start", SCRIPT: "Save script"}
"""What the button and its key are called; all else makes a schedule."""
_KEYS = (("f6", "Next tab"), ("tab", "Next field"), ("esc", "Cancel"))


class RunAuxiliaryCopyScreen(WholeScreen[Cell | None]):
    """The dialog; gives what was done in words, or None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),  # without priority: an open list closes first
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
        Binding("f2,ctrl+s", "start", show=False, priority=True),
        Binding("f6", "tab(1)", show=False, priority=True),
        Binding("shift+f6", "tab(-1)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    RunAuxiliaryCopyScreen { background: $background; layout: vertical; }
    RunAuxiliaryCopyScreen .page { height: 1fr; padding: 1 1 0 1; }
    RunAuxiliaryCopyScreen .page.-other { display: none; }
    RunAuxiliaryCopyScreen .field { height: 1; margin-bottom: 0; }
    RunAuxiliaryCopyScreen .field Label { width: 30; color: $tone-head; }
    RunAuxiliaryCopyScreen .field Input, RunAuxiliaryCopyScreen .field Select { width: 40; }
    RunAuxiliaryCopyScreen .wrong { height: auto; color: $tone-bad; text-style: bold; padding: 0 1; }
    RunAuxiliaryCopyScreen Input { background: $panel; }
    RunAuxiliaryCopyScreen Input:focus { background: $cursor-back; color: $cursor-text; }
    RunAuxiliaryCopyScreen #totals, RunAuxiliaryCopyScreen #begins { margin-top: 1; }
    RunAuxiliaryCopyScreen .field.-wrong Label { color: $tone-bad; text-style: bold; }
    RunAuxiliaryCopyScreen .field.-idle Label { color: $tone-muted; }
    RunAuxiliaryCopyScreen Select:focus > SelectCurrent {
        background: $cursor-back; color: $cursor-text;
    }
    RunAuxiliaryCopyScreen Button:focus {
        background: $cursor-back; color: $cursor-text; text-style: bold reverse;
    }
    RunAuxiliaryCopyScreen #buttons { height: 1; padding: 0 1; }
    RunAuxiliaryCopyScreen Button { margin-right: 2; }
    RunAuxiliaryCopyScreen #help { height: 2; padding: 0 1; color: $tone-muted; background: $panel; }
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
        self._fields = fields_of(policy, options, time_zone=estate.time_zone)
        self._previewed: RunOptions | None = None
        self._starting = False
        self._wrong: dict[str, str] = {}

    @property
    def console(self) -> ConsoleApp:
        """The app, by its own type."""
        from auxtui.app import ConsoleApp

        assert isinstance(self.app, ConsoleApp)  # noqa: S101 - narrows a type
        return self.app

    def compose(self) -> ComposeResult:
        yield from self.compose_too_small()
        yield OneLine(id="title")
        yield TabStrip(TABS, id="tabs")
        for tab in (GENERAL, INITIATION, ADVANCED):
            with Vertical(id=_page(tab), classes="page"):
                for field in self._fields:
                    if field.tab == tab:
                        yield from self._compose_field(field)
                if tab == GENERAL:
                    yield Facts(id="totals")
                elif tab == INITIATION:
                    yield Facts(id="begins")
        with Vertical(id=_page(PLAN), classes="page"):
            yield LineTable(
                col.PLAN, glyphs=self.console.look.glyphs, empty="no plan yet", id="lines"
            )
        yield Static("", classes="wrong", id="wrong", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Start", id="start", compact=True)
            yield Button("Cancel", id="cancel", compact=True)
        yield StatusLine(id="sentence")
        yield Static("", id="help", markup=False)
        yield OneLine(id="keys")

    def _compose_field(self, field: Field) -> Iterator[Widget]:
        with Horizontal(classes="field", id=f"row-{field.name}"):
            yield Label(field.label, markup=False)
            yield self._widget(field)

    def _widget(self, field: Field) -> Widget:
        if field.kind == "check":
            return Check(value=bool(field.value), glyphs=self.console.look.glyphs, id=field.name)
        if field.name == "copies":
            options = [(f"all active copies ({len(secondary(self._policy))})", ALL_COPIES)]
            options += [(c.name, c.name) for c in secondary(self._policy)]
            return _select(field, options, str(field.value))
        if field.name == "initiation":
            return _select(field, [(label, name) for name, label in INITIATIONS], NOW)
        if field.name == "alert":
            named = self._estate.alerts
            kept = str(field.value)
            options = [("nobody", ""), *((name, name) for name in named)]
            return _select(field, options, kept if kept in named else "", disabled=not named)
        if field.name == "alert_when":
            return _select(field, [*ALERT_TIMES], str(field.value))
        if field.kind == "choice":
            agents = shared_source_agents(self._policy, self._estate, ALL_COPIES)
            options = [("any", ANY_AGENT), *((name, name) for name in agents)]
            value = str(field.value) if field.value in agents else ANY_AGENT
            return _select(field, options, value, disabled=not agents)
        return TextField(str(field.value), id=field.name)

    def on_mount(self) -> None:
        path = f"{self._estate.commcell} / {self._policy.name} / Run Auxiliary Copy"
        self.query_one("#title", OneLine).say(
            [Cell(" auxtui ", Tone.KEY), Cell(safe(path), Tone.STRONG)]
        )
        self._show_tab(GENERAL)
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
        """Starts, schedules or saves the run, when every field is right."""
        self._start()

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
        text = found.help_line if found else ""
        self.query_one("#help", Static).update(Content(text))

    def _enter_tab(self) -> None:
        name = self.query_one(TabStrip).current
        self._show_tab(name)
        self.set_focus(self.query_one(_FIRST[name]))

    def _show_tab(self, name: str) -> None:
        for tab in TABS:
            self.query_one(f"#{_page(tab)}").set_class(tab != name, "-other")

    def _values(self) -> dict[str, str | bool]:
        values: dict[str, str | bool] = {}
        for field in self._fields:
            widget = self.query_one(f"#{field.name}")
            if isinstance(widget, Check | Input):
                values[field.name] = widget.value
            elif isinstance(widget, Select):
                values[field.name] = str(widget.value)
        return values

    def _checked(self) -> Form | None:
        """The form, or None after what is wrong was said where it stands."""
        form, wrong = read_form(self._values(), self._kept)
        if form is not None:
            wrong = wrong_fields(form.initiation, self.console.look)
        self._wrong = wrong
        self.query_one("#wrong", Static).update(Content("\n".join(map(safe, wrong.values()))))
        self.query_one(TabStrip).set_badges(field_tabs(wrong, self._fields))
        for field in self._fields:
            self.query_one(f"#row-{field.name}").set_class(field.name in wrong, "-wrong")
        return None if wrong else form

    def _focus_wrong(self) -> None:
        """Shows and focuses the first field that is wrong."""
        field = next(f for f in self._fields if f.name in self._wrong)
        strip = self.query_one(TabStrip)
        strip.current = field.tab
        strip.refresh()
        self._show_tab(field.tab)
        self.set_focus(self.query_one(f"#{field.name}"))

    def _preview(self) -> None:
        kind = str(self.query_one("#initiation", Select).value)
        idle = {name: kind not in kinds for name, kinds in BELONGS_TO.items()}
        idle["alert_when"] = not self._values()["alert"]
        for name, is_idle in idle.items():
            self.query_one(f"#{name}").disabled = is_idle
            self.query_one(f"#row-{name}").set_class(is_idle, "-idle")
        self._name_start(_DOES.get(kind, "Make schedule"))
        form = self._checked()
        if form is None:
            return
        self.query_one("#begins", Facts).show(initiation_facts(form.initiation, self.console.look))
        if form.options != self._previewed:
            self._previewed = form.options
            self._say(Cell(f"planning {self.console.look.glyphs.ellipsis}", Tone.MUTED))
            self._plan(form.options)

    def _name_start(self, does: str) -> None:
        """The button and its key say what they do."""
        self.query_one("#start", Button).label = Content(does)
        keys: list[Cell] = []
        for key, label in (("f2", does), *_KEYS):
            keys += [Cell(f" {key}", Tone.KEY), Cell(f" {label} ", Tone.MUTED)]
        self.query_one("#keys", OneLine).say(keys)

    @work(exclusive=True, group="plan")
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

    @work(exclusive=True, group="start")
    async def _start(self) -> None:
        for field in self.query(Input):
            typed = asyncio.Event()  # what was typed into it before the key that starts has arrived
            field.call_later(typed.set)
            await typed.wait()
        form = self._checked()
        if form is None:
            self._focus_wrong()
        if form is None or self._starting:
            return
        self._starting = True
        self._say(Cell("asking the engine"))
        try:
            done = await self._begin(form.options, form.initiation)
        except AuxError as err:
            self._starting = False
            self._say(Cell(_error_text(err), Tone.BAD))
            return
        self.dismiss(done)

    async def _begin(self, options: RunOptions, begins: Initiation) -> Cell:
        """Does what the form says; gives what was done."""
        door, policy = self.console.door, self._policy.name
        if begins.kind == NOW:
            job_id = await in_thread(lambda: door.run_auxcopy(policy, options))
            held = await in_thread(lambda: door.held_back(job_id))
            return started(job_id, held)
        if begins.kind == SCRIPT:
            await in_thread(lambda: door.save_script(policy, options, begins.file))
            text = f"saved; it runs with: auxtui auxcopy --script {safe(begins.file)}"
            return Cell(text, Tone.OK)
        await in_thread(
            lambda: door.schedule_auxcopy(
                policy, options, name=begins.name, when=begins.when, time_zone=begins.time_zone
            )
        )
        text = f"schedule {safe(begins.name)} is made; `auxtui export` shows it for the site file"
        return Cell(text, Tone.OK)

    def _say(self, cell: Cell) -> None:
        # A query, which may be empty: a plan may arrive while the dialog is being taken away.
        for sentence in self.query("#sentence").results(StatusLine):
            sentence.say([Cell(" Plan: ", Tone.STRONG), cell], whole=True)


def _page(tab: str) -> str:
    return tab.lower().replace(" ", "-")


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
