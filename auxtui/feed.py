"""The one bridge from the catalog to the screens.

One thread owns one read-only connection. Screens name what they want to see (`Watch`); the thread
looks whether the catalog has changed, asks anew, and posts a frozen snapshot to the screen only
when it differs from the last one. It never touches a widget, and a screen never touches SQLite.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from textual.message import Message
from textual.message_pump import MessagePump

from auxtui.clock_watch import ClockWatch, Silence
from auxtui.feed_values import Pulse
from engine.catalog.live import LiveCatalog
from engine.model.clock import Clock
from engine.model.errors import AuxError, NotFoundError

T = TypeVar("T")

RECENT = timedelta(minutes=5)  # so long a finished job stays among the active ones
HEAVY_SHARE = (
    20  # a query may take 1/20 of a processor, so 100,000 job copies cost no more than ten
)
Query = Callable[[LiveCatalog], Any]


class Fresh(Message):
    """What a watched query gives now. Posted to the screen that watches."""

    def __init__(self, topic: str, value: Any) -> None:
        super().__init__()
        self.topic = topic
        self.value = value


class Answer(Message):
    """The answer to a single question, with the token that came with it."""

    def __init__(self, token: Hashable, value: Any) -> None:
        super().__init__()
        self.token = token
        self.value = value


class CatalogTrouble(Message):
    """The catalog cannot be read (or can again: None). Posted to the app."""

    def __init__(self, error: AuxError | None) -> None:
        super().__init__()
        self.error = error


class LookedAnew(Message):
    """Everything that was watched has been asked again. Posted to the app, behind what that gave."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self.then = then


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A query that a screen wants to be asked again whenever the catalog has changed."""

    topic: str
    query: Query
    every_turn: bool = False
    """Ask even when the catalog is unchanged: the answer depends on the clock."""
    least_s: float = 0.0
    """Not more often than this, in seconds."""


@dataclass(slots=True)
class _Followed:
    target: MessagePump
    watch: Watch
    value: Any = None
    asked: bool = False
    stale: bool = True
    due_mono_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Question:
    target: MessagePump
    token: Hashable
    query: Query


class Feed:
    """Follows a catalog for an app.

    Args:
        path: the catalog file.
        owner: gets `CatalogTrouble`.
        is_alive: whether a service holds this catalog.
        clock: the present.
        steady: seconds that nobody sets.
        refresh_s: seconds between looks while a job is active; twice that when none is.
    """

    def __init__(
        self,
        path: Path,
        owner: MessagePump,
        *,
        is_alive: Callable[[], bool],
        clock: Clock,
        steady: Callable[[], float] = time.monotonic,
        refresh_s: float = 1.0,
    ) -> None:
        self._path = path
        self._owner = owner
        self._is_alive = is_alive
        self._clock = clock
        self._steady = steady
        self._refresh_s = refresh_s
        self._lock = threading.Lock()
        self._followed: list[_Followed] = []
        self._questions: queue.SimpleQueue[_Question] = queue.SimpleQueue()
        self._then: list[Callable[[], None]] = []
        self._wake = threading.Event()
        self._stopping = False
        self._paused = False
        self._holds = False
        self._look_once = False
        self._busy = True
        self._live: LiveCatalog | None = None
        self._version = (-1, False)
        self._trouble: AuxError | None = None
        self._clock_watch, self._silence = ClockWatch(), Silence()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Starts following."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; waits until it has closed the catalog."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def watch(self, target: MessagePump, watches: Iterable[Watch]) -> None:
        """Sends what these queries give to `target`, now and whenever it changes."""
        fresh = [_Followed(target, watch) for watch in watches]
        with self._lock:
            self._followed = [f for f in self._followed if f.target is not target] + fresh
        self._wake.set()

    def unwatch(self, target: MessagePump) -> None:
        """Sends nothing more to `target`."""
        with self._lock:
            self._followed = [f for f in self._followed if f.target is not target]

    def ask(self, target: MessagePump, token: Hashable, query: Query) -> None:
        """Asks once; the answer comes as `Answer(token, value)`."""
        self._questions.put(_Question(target, token, query))
        self._wake.set()

    def refresh(self, then: Callable[[], None] | None = None) -> None:
        """Looks at everything at once, also while the views are held still.

        Args:
            then: comes to the app as `LookedAnew` when all was looked at, or could not be.
        """
        with self._lock:
            if then is not None:
                self._then.append(then)
            for followed in self._followed:
                followed.stale, followed.due_mono_s = True, 0.0
            self._look_once = True
        self._wake.set()

    def set_paused(self, paused: bool) -> None:
        """Holds back all but single questions and `refresh`, for someone who wants to read."""
        self._paused = paused
        if not paused:
            self.refresh()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            with self._lock:
                then, self._then = self._then, []
                self._holds, self._look_once = self._paused and not self._look_once, False
            try:
                self._turn()
            except AuxError as err:
                self._report(err)
            except Exception as err:
                logging.getLogger(__name__).exception("the feed failed")
                self._report(AuxError(f"a bug while reading the catalog: {err!r}"))
            else:
                self._report(None)
            for call in then:
                self._owner.post_message(LookedAnew(call))
            wait_s = self._refresh_s if self._busy else self._refresh_s * 2
            if self._questions.empty():
                self._wake.wait(wait_s)
        if self._live is not None:
            self._live.close()

    def _report(self, error: AuxError | None) -> None:
        """Tells the app about a trouble once, and about its end; the first of a kind explains most."""
        if error is not None and self._live is not None:
            self._live.close()
            self._live = None
            self._version = (-1, False)
        if error and isinstance(self._trouble, NotFoundError) and not self._path.is_file():
            return  # gone, and still gone: what opening it again says is no news
        if type(error) is not type(self._trouble):
            self._trouble = error
            self._owner.post_message(CatalogTrouble(error))

    def _turn(self) -> None:
        if self._live is None:
            self._live = _opened(self._path, self._is_alive)
        live = self._live
        while not self._questions.empty():
            question = self._questions.get()
            question.target.post_message(Answer(question.token, question.query(live)))
        version = live.data_version(), self._is_alive()  # a service that dies writes nothing
        changed, self._version = version != self._version, version
        with self._lock:
            followed = list(self._followed)
        for one in followed:
            one.stale = one.stale or changed or one.watch.every_turn
            if one.stale and (not one.asked or not self._holds):
                self._look(live, one)

    def _look(self, live: LiveCatalog, one: _Followed) -> None:
        if time.monotonic() < one.due_mono_s:
            return
        one.stale = False
        started_cpu_s = time.thread_time()  # what waits for a busy host costs nothing
        value = one.watch.query(live)
        cost_s = time.thread_time() - started_cpu_s
        one.due_mono_s = time.monotonic() + max(one.watch.least_s, cost_s * HEAVY_SHARE)
        if not one.asked or value != one.value:
            one.target.post_message(Fresh(one.watch.topic, value))
            one.asked, one.value = True, value

    def pulse(self, live: LiveCatalog) -> Pulse:
        """The query of what every screen shows in its frame."""
        now, steady_s = self._clock(), self._steady()
        active = live.active_jobs()
        self._busy = bool(active)
        service, alive = live.service(), self._is_alive()
        silent_s = 0
        if alive and service is not None and service.heartbeat_at is not None:
            silent_s = int(self._silence.look(service.heartbeat_at, now, steady_s)) // 10 * 10
        return Pulse(
            service=None if service is None else replace(service, heartbeat_at=None),
            service_alive=alive,
            active=active,
            recent=live.recent_jobs(now - RECENT),
            at=now,
            streams_in_use=live.streams_in_use() if active and alive else {},
            silent_s=silent_s,
            clock_set_by=self._clock_watch.look(now, steady_s),
        )


def _opened(path: Path, is_alive: Callable[[], bool]) -> LiveCatalog:
    live = LiveCatalog(path, is_alive=is_alive)
    try:
        live.refuse_other_form()
    except AuxError:
        live.close()
        raise
    return live


async def in_thread(call: Callable[[], T]) -> T:
    """Runs a blocking call in a daemon thread: leaving the console never waits for the engine."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(setter: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            setter(value)

    def run() -> None:
        try:
            value = call()
        except Exception as err:  # noqa: BLE001 - carried over to the waiting coroutine
            outcome: tuple[Callable[[Any], None], Any] = (future.set_exception, err)
        else:
            outcome = (future.set_result, value)
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="front-door", daemon=True).start()
    return await future
