"""The console: modes, theme, bindings, the state that all screens share. No logic of jobs."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, cast

from textual.app import ScreenStackError
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.signal import Signal
from textual.worker import Worker, WorkerState

from auxtui import actions, keymap
from auxtui import format as fmt
from auxtui.actions import BY_ID, World
from auxtui.asking import Undo
from auxtui.door import Door, FrontDoor
from auxtui.feed import Answer, CatalogTrouble, Feed, Fresh, LookedAnew, Watch
from auxtui.frame import State, is_configured, landing_policies, reading_s, with_answer
from auxtui.gates import gates
from auxtui.glyphs import SETS, UNICODE, GlyphName
from auxtui.health import troubles
from auxtui.line_filter import Signs
from auxtui.opening import OpeningApp
from auxtui.present import Cell, Look, Tone
from auxtui.profile import Profile, terminal_profile
from auxtui.screens.base import ConsoleScreen
from auxtui.screens.home import HomeScreen
from auxtui.terminal import has_hung_up
from auxtui.zone import in_zone, zoned
from engine.catalog.home import Home
from engine.catalog.live import LiveCatalog
from engine.control.lock import is_held
from engine.model.clock import Clock, system_clock
from engine.model.errors import EXIT_OK, CatalogOutdated

GATES_LEAST_S = 5.0  # windows open and close by the minute
WARM_UP_AFTER_S = 0.1  # after the first screen is known
GARBAGE = (10_000, 20, 50)  # a full look at all that lives is a key that waits
LEAVE_S = 3.0  # after a hangup; nothing of a console is worth waiting longer for
TERMINAL_LOOK_S = 2.0  # a call of microseconds
ESTATE_LEAST_S = 2.0  # the tree is asked for at most this often
INCOMPLETE_LEAST_S = 30.0  # no index has it, and it changes with a scan


def run(home: Home, profile: Profile | None = None) -> int:
    """Runs the console on a home until it is left; returns the exit code."""
    chosen = profile or terminal_profile()
    console = ConsoleApp(home, profile=chosen)
    console.run(mouse=chosen.mouse)
    return console.return_code or EXIT_OK


def _screen(module: str, name: str) -> Callable[[], Screen[Any]]:
    """Makes a screen; it is imported when it is shown for the first time."""

    def make() -> Screen[Any]:
        made: Screen[Any] = getattr(import_module(f"auxtui.screens.{module}"), name)()
        return made

    return make


class ConsoleApp(OpeningApp):
    """The console."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "auxtui"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "leave_now", show=False),
        Binding("ctrl+z", "suspend_process", show=False),
    ]
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "home": HomeScreen,
        "jobs": _screen("jobs", "JobsScreen"),
        "history": _screen("history", "HistoryScreen"),
        "storage": _screen("storage", "StorageScreen"),
        "events": _screen("events", "EventsScreen"),
        "schedules": _screen("schedules", "SchedulesScreen"),
        "trend": _screen("trend", "TrendScreen"),
        "alerts": _screen("alerts", "AlertsScreen"),
    }
    DEFAULT_MODE = "home"

    def __init__(
        self,
        home: Home,
        *,
        profile: Profile | None = None,
        door: Door | None = None,
        clock: Clock = system_clock,
        steady: Callable[[], float] = time.monotonic,
        zone: tzinfo | None = None,
        is_alive: Callable[[], bool] | None = None,
    ) -> None:
        """Args:
        home: the CommCell that is shown.
        profile: what this terminal can do.
        door: the way into the engine.
        clock: the present.
        steady: seconds of a clock that nobody sets; one that stands goes with a `clock` that stands.
        zone: in which times are shown; None: that of the CommCell.
        is_alive: whether a service runs; None: what its lock says.
        """
        self.profile = profile or Profile()
        super().__init__(own_colours=self.profile.no_color)
        self._home = home
        self.door: Door = door or FrontDoor(home)
        glyphs = SETS[cast("GlyphName", self.profile.glyphs)]
        self.signs = None if glyphs is UNICODE else Signs(glyphs.name)
        look = Look(glyphs=glyphs, zone=zone, clock=clock)
        self._is_zone_given = zone is not None
        self.look = look if self._is_zone_given else zoned(look, home)
        self.state = State()
        self.news: Signal[None] = Signal(self, "news")
        """The state is another one: for dialogs, which the screens below do not tell."""
        self.undo: Undo | None = None
        self._is_starting = True
        self.feed = Feed(
            home.catalog,
            self,
            is_alive=is_alive or (lambda: is_held(home.service_lock)),
            clock=clock,
            steady=steady,
            refresh_s=self.profile.refresh_s,
        )
        self._theme_trouble = self.load_themes(self.profile)
        self._key_faults = keymap.faults(actions.ACTIONS, self.profile.keys)
        actions.use_keys(self.profile.keys)
        self.set_keymap(dict(self.profile.keys))

    def on_mount(self) -> None:
        self._install_signals()
        self.feed.watch(self, self._own_watches())
        self.feed.start()
        troubles_at_start = [*self._theme_trouble, *self._key_faults]
        if troubles_at_start:
            self.flash(Cell(troubles_at_start[0], Tone.WARN))
        if not self._home.catalog.exists() and not self.profile.read_only:
            self._offer("console.guide")

    def _offer(self, action_id: str) -> None:
        """Begins what can be done about a home in which nothing can be shown, or nothing is yet."""
        if self._shown is not None:
            self._shown.do(BY_ID[action_id], ())

    def on_unmount(self) -> None:
        self.feed.stop()

    def _own_watches(self) -> list[Watch]:
        return [
            Watch(topic="pulse", query=self.feed.pulse, every_turn=True),
            Watch(topic="estate", query=LiveCatalog.estate, least_s=ESTATE_LEAST_S),
            Watch(topic="alarms", query=LiveCatalog.alarms, least_s=ESTATE_LEAST_S),
            Watch(topic="incomplete", query=LiveCatalog.incomplete, least_s=INCOMPLETE_LEAST_S),
            Watch(
                topic="gates",
                query=lambda live: gates(live, self.look.clock()),
                every_turn=True,
                least_s=GATES_LEAST_S,
            ),
        ]

    def _install_signals(self) -> None:
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()

        def leave(number: int, frame: object) -> None:
            # The loop may be blocked for good: what draws waits for a terminal that takes nothing.
            last_word = threading.Timer(LEAVE_S, os._exit, (128 + number,))
            last_word.daemon = True
            last_word.start()
            loop.call_soon_threadsafe(self.exit)

        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, leave)
        self.set_interval(TERMINAL_LOOK_S, self._leave_with_terminal)

    def _leave_with_terminal(self) -> None:
        """Not whatever started a console hands the hangup on; Textual would read the end for ever."""
        if sys.__stdin__ is not None and has_hung_up(sys.__stdin__.fileno()):
            signal.raise_signal(signal.SIGHUP)

    @property
    def world(self) -> World:
        """What decides whether actions are possible."""
        pulse = self.state.pulse
        return World(
            service_alive=pulse.service_alive if pulse else True,
            read_only=self.profile.read_only,
            catalog_ok=self.state.catalog_error is None,
            outdated=isinstance(self.state.catalog_error, CatalogOutdated),
            undo=self.undo.what if self.undo else "",
            configured=is_configured(self.state.estate),
            switched_off=frozenset(gate.node for gate in self.state.gates if gate.is_off_here),
            active_jobs=len(pulse.active) if pulse else 0,
            landing_policies=landing_policies(self.state.estate),
        )

    def on_fresh(self, message: Fresh) -> None:
        if message.topic == "estate":
            self._start_is_over()
            if not self._is_zone_given:
                self.look = in_zone(self.look, message.value.time_zone)
        self._set_state(**{message.topic: message.value})

    def _start_is_over(self) -> None:
        """The first screen is known, or will not be."""
        if self._is_starting:
            self._is_starting = False
            self.set_timer(WARM_UP_AFTER_S, self._warm_up)

    def _warm_up(self) -> None:
        """Imports what keys do, now that the first screen is painted and before the first key.

        What the start has made stays: the collector, held back so far, never looks at it again.
        """
        if not gc.isenabled():
            gc.freeze()
            gc.set_threshold(*GARBAGE)
            gc.enable()
        load = partial(import_module, "auxtui.hands")
        threading.Thread(target=load, name="warm-up", daemon=True).start()

    def on_answer(self, message: Answer) -> None:
        message.stop()

    def look_anew(self, then: Callable[[], None] | None = None) -> None:
        """Looks at everything at once, after a change of one's own.

        What is typed meanwhile is held back: a dialog opened on what was so before the change would
        show it.

        Args:
            then: done with what was found, before the keys go on.
        """
        release = self.hold_keys()

        def found() -> None:
            if then is not None and self.state.catalog_error is None:
                then()
            release()

        self.feed.refresh(found)

    def on_looked_anew(self, message: LookedAnew) -> None:
        message.then()

    def on_catalog_trouble(self, message: CatalogTrouble) -> None:
        self._start_is_over()
        self._set_state(catalog_error=message.error)
        if self.world.outdated and not self.profile.read_only:
            self._offer("catalog.upgrade")

    def _set_state(self, **changes: object) -> None:
        state = replace(self.state, **changes)  # type: ignore[arg-type]
        found = troubles(
            state.estate,
            state.pulse,
            state.catalog_error,
            alarms=state.alarms,
            gates=state.gates,
            incomplete=state.incomplete,
            zone=self.look.zone,
            now=self.look.clock(),
            log=str(self._home.service_log),
        )
        self.state = replace(state, troubles=found)
        self._tell_screen()
        self.news.publish(None)

    @property
    def _shown(self) -> ConsoleScreen | None:
        """The screen on top; None for a dialog, and while the console is being left."""
        try:
            screen = self.screen
        except ScreenStackError:
            return None
        # While the console closes, a screen still stands without what was in it.
        return screen if isinstance(screen, ConsoleScreen) and self.is_running else None

    def _tell_screen(self) -> None:
        screen = self._shown
        if screen is not None and screen.is_mounted:
            screen.pulse_changed()
            screen.refresh_frame()

    def flash(self, cell: Cell) -> None:
        """Says something in the status line for a while."""
        self.state = with_answer(self.state, cell, self.look.clock())
        self.set_timer(reading_s(cell), lambda: self._unflash(cell))
        self._tell_frame()

    def _unflash(self, cell: Cell) -> None:
        if self.state.flash is cell:
            self.state = replace(self.state, flash=None)
            self._tell_frame()

    def _tell_frame(self) -> None:
        if self._shown is not None:
            self._shown.refresh_frame()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A task that failed by a bug is said and logged; the console stays."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            logging.getLogger(__name__).error("task %s failed", event.worker.name, exc_info=error)
            self.flash(Cell(f"a bug in {event.worker.name}: {error!r}; please report it", Tone.BAD))

    def toggle_pause(self) -> None:
        """Holds the views still, or lets them follow again."""
        self.state = replace(self.state, paused=not self.state.paused)
        self.feed.set_paused(self.state.paused)
        self._tell_frame()

    def go(self, mode: str) -> None:
        """Shows the list of one of the views, as it was left: the key of a view never leads into one job."""
        if mode != self.current_mode:
            self.switch_mode(mode)
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def step_back(self) -> bool:
        """Closes the screen on top; False when it is the first one of its view."""
        if len(self.screen_stack) > 1 and isinstance(self.screen, ConsoleScreen):
            self.pop_screen()
            return True
        return False

    def leave(self) -> None:
        """Ends the console and says, because people fear for it, that the jobs go on."""
        active = len(self.state.pulse.active) if self.state.pulse else 0
        if not active:
            self.exit()
        elif self.world.service_alive:
            goes = "goes" if active == 1 else "go"
            self.exit(
                message=f"{fmt.count(active, 'job')} {goes} on in the service; `auxtui` shows them again"
            )
        else:
            self.exit(message=f"{fmt.count(active, 'job')} wait: the service is not running")

    def action_leave_now(self) -> None:
        """Ctrl+C: leaves at once; nothing is lost by it."""
        self.exit()
