"""The frame that every screen has: title, content, status line, key hints; and how actions run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from auxtui import actions
from auxtui.action_values import named
from auxtui.actions import Action, Target
from auxtui.feed import Answer, Fresh, Watch
from auxtui.fitting import is_tiny, too_small
from auxtui.frame import hint_cells, status_cells, title_cells
from auxtui.present import Cell, Look, Tone
from auxtui.widgets.line_table import READING, LineTable
from auxtui.widgets.one_line import OneLine
from auxtui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from auxtui.app import ConsoleApp

WIDE = 110  # from here on two panes have room
UNREADABLE = "the catalog cannot be read: ! says what to do"
UNBOUND = "f24"  # stands for no key, so that the user can give one; no terminal sends it
WHILE_TINY = ("console.leave",)  # nothing is done to what is not seen
WHILE_TYPING = ("go.back", "tab.next", "tab.previous")  # all that is done while a text is typed
EDITS = ("item.new", "item.edit")
EDITS_RANK = 3  # in the hint line of a screen that is there to make and edit things
HOLD_S = 2.0  # keys wait at most so long for the list that they are for


def bindings() -> list[BindingType]:
    """A binding for each action that has keys; its id can be given other keys by the user.

    They have priority, as those of the tables and dialogs have: such keys are handled in the order
    in which they were typed, whatever each of them opens. Enter is a matter of the tables.
    """
    return [
        Binding(
            action.keys or UNBOUND,
            f"do({action.id!r})",
            action.label,
            id=action.id,
            show=False,
            priority=True,
        )
        for action in actions.ACTIONS
        if action.id != "thing.open"
    ]


class ConsoleScreen(Screen[None]):
    """A screen of the console."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(),
        Binding("enter", "enter", show=False, system=True, priority=True),
        Binding("tab", "pane(1)", show=False, system=True, priority=True),
        Binding("shift+tab", "pane(-1)", show=False, system=True, priority=True),
    ]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - an instance variable in Textual
        (0, "-narrow"),
        (WIDE, "-wide"),
        (160, "-huge"),
    ]
    ABILITIES: ClassVar[frozenset[str]] = frozenset()
    NEW_FIRST: ClassVar[str] = ""
    """The action that makes one more of what this screen lists; first among what can be new here."""
    ABOUT: ClassVar[str] = ""
    """What this screen is, for its help."""
    DEFAULT_CSS = """
    ConsoleScreen { background: $background; color: $foreground; layout: vertical; }
    ConsoleScreen > #body { height: 1fr; }
    ConsoleScreen > #too-small { display: none; height: 1fr; padding: 1 2; }
    ConsoleScreen.-tiny > #body { display: none; }
    ConsoleScreen.-tiny > #too-small { display: block; }
    """

    _release: Callable[[], None] | None = None
    """Lets go the keys that wait for the list of this screen."""

    @property
    def console(self) -> ConsoleApp:
        """The app, by its own type."""
        from auxtui.app import ConsoleApp

        assert isinstance(self.app, ConsoleApp)  # noqa: S101 - narrows a type
        return self.app

    @property
    def look(self) -> Look:
        """How this console shows things."""
        return self.console.look

    def compose(self) -> ComposeResult:
        yield OneLine(id="title")
        with Vertical(id="body"):
            yield from self.compose_body()
        yield Static("", id="too-small", markup=False)
        yield StatusLine(id="status")
        yield OneLine(id="hints")

    @abstractmethod
    def compose_body(self) -> ComposeResult:
        """The content."""

    def crumbs(self) -> Sequence[str]:
        """Where one is, from the outside in."""
        return ()

    def watches(self) -> Iterable[Watch]:
        """What the feed shall follow while this screen is on top."""
        return ()

    def targets(self) -> tuple[Target, ...]:
        """What an action would be about now."""
        return ()

    def target_kinds(self) -> set[str]:
        """Kinds of what an action would be about; asked for each binding at each key."""
        return {target.kind for target in self.targets()}

    def abilities(self) -> frozenset[str]:
        """What this screen can do now, besides actions on targets."""
        return self.ABILITIES

    def pulse_changed(self) -> None:
        """The jobs, the service or the estate have changed."""

    def take(self, message: Fresh | Answer) -> None:
        """Something that this screen watches or asked for has arrived."""

    def on_screen_resume(self) -> None:
        self.console.feed.watch(self, self.watches())
        self.pulse_changed()
        self._hold_keys()
        self.refresh_frame()

    def on_screen_suspend(self) -> None:
        self.console.feed.unwatch(self)
        self._let_keys_go()

    def _hold_keys(self) -> None:
        """Keys typed behind the one that opened this screen wait for its list: they are for a row of it."""
        if self._is_reading and self._release is None:
            self._release = self.console.hold_keys()
            self.set_timer(HOLD_S, self._let_keys_go)

    def _let_keys_go(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

    @property
    def _is_reading(self) -> bool:
        first = next(iter(self.query(LineTable)), None)
        return first is not None and not first.is_known and self.console.state.catalog_error is None

    def on_fresh(self, message: Fresh) -> None:
        message.stop()
        self.take(message)
        self.refresh_frame()

    def on_answer(self, message: Answer) -> None:
        message.stop()
        self.take(message)
        self.refresh_frame()

    def on_resize(self) -> None:
        width, height = self.size
        tiny = is_tiny(width, height)
        self.set_class(tiny, "-tiny")
        if tiny:
            self.query_one("#too-small", Static).update(
                too_small(
                    width,
                    height,
                    instead="Make it larger, or leave it and use\nauxtui jobs --active",
                )
            )
        self.refresh_frame()

    def on_descendant_focus(self) -> None:
        self.refresh_frame()

    def rewatch(self) -> None:
        """Follows other queries from now on."""
        if self.is_current:
            self.console.feed.watch(self, self.watches())

    def applicable(self) -> list[Action]:
        """The actions that make sense now."""
        if self.has_class("-tiny"):
            return [actions.BY_ID[name] for name in WHILE_TINY]
        return actions.applicable(self.target_kinds(), self.abilities())

    def refresh_frame(self) -> None:
        """Draws title, status and hints anew, as far as they have changed."""
        if not self.is_mounted:
            return
        if not self._is_reading:
            self._let_keys_go()
        app = self.console
        self.query_one("#title", OneLine).say(*title_cells(self.crumbs(), app.state, self.look))
        whole = app.state.flash is not None or app.state.estate is None
        self.query_one("#status", StatusLine).say(*status_cells(app.state, self.look), whole=whole)
        waiting = UNREADABLE if app.state.catalog_error else READING
        for table in self.query(LineTable):
            table.say_waiting(waiting)
        target, world = self._first_target(), app.world
        chosen = [
            action for action in self.applicable() if not action.disabled_because(target, world)
        ]
        if self.NEW_FIRST:
            chosen = [
                replace(one, hint_rank=EDITS_RANK) if one.id in EDITS else one for one in chosen
            ]
        self.query_one("#hints", OneLine).say(hint_cells(chosen, self.size.width))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Lets a key through only to an action that makes sense here, so that keys can be shared."""
        if action == "enter":
            return isinstance(self.focused, LineTable) and not self.has_class("-tiny")
        if action != "do":
            return True
        if isinstance(self.focused, Input) and parameters[0] not in WHILE_TYPING:
            return False
        return any(one.id == parameters[0] for one in self.applicable())

    def action_do(self, action_id: str) -> None:
        """Does an action on the present targets, or says why not."""
        self.do(actions.BY_ID[action_id], self.targets())

    def action_enter(self) -> None:
        """Opens the row under the cursor."""
        if isinstance(self.focused, LineTable) and self.focused.cursor_key is not None:
            self.row_chosen(self.focused)

    @on(LineTable.Chosen)
    def _row_clicked(self, message: LineTable.Chosen) -> None:
        self.row_chosen(message.table)

    def row_chosen(self, table: LineTable) -> None:
        """Opens the row under the cursor of a table."""
        self.action_do("thing.open")

    def action_pane(self, step: int) -> None:
        """Goes to the next pane or field, or to the previous one."""
        if step > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def do(self, action: Action, targets: tuple[Target, ...]) -> None:
        """Does an action on some targets, after a question where one is due, or says why not."""
        if action.kinds and not targets:
            self.flash(f"{action.label}: nothing is selected", Tone.WARN)
            return
        if len(targets) > 1 and not action.bulk:
            self.flash(f"{action.label}: for one at a time; escape unmarks", Tone.WARN)
            return
        world = self.console.world
        possible = [t for t in targets if not action.disabled_because(t, world)]
        if (action.kinds and not possible) or not action.kinds:
            reason = action.disabled_because(targets[0] if targets else None, self.console.world)
            if reason:
                self.flash(f"{action.label}: {reason}", Tone.WARN)
                return
        if action.kinds and len(possible) < len(targets):
            left = [t for t in targets if action.disabled_because(t, world)]
            self.flash(f"{action.label}: not for {named(left)}", Tone.WARN)
        from auxtui import hands  # a third of what the first paint would import; see the app

        hands.start(self, action, tuple(possible) if action.kinds else targets)

    def flash(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Says the outcome of an action in the status line for a while."""
        self.console.flash(Cell(text, tone))

    def put_cursor(self, key: Hashable) -> None:
        """Puts the cursor of the list that has the focus on a row, if it has it."""
        if isinstance(self.focused, LineTable):
            self.focused.move_to(key)

    def back(self) -> bool:
        """One step back inside the screen; False when there is none."""
        return False

    def first_focus(self) -> Widget | None:
        """What has the focus at the start."""
        return None

    def on_mount(self) -> None:
        widget = self.first_focus()
        if widget is not None:
            widget.focus()

    def _first_target(self) -> Target | None:
        return next(iter(self.targets()), None)
