"""How far a run is: counters that threads add to, and frozen snapshots of them for others."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from engine.model.names import shown
from engine.model.states import StreamState
from engine.transfer.throttle import Throttle

WINDOW_S = 10  # seconds that a rate is the mean of


class RateWindow:
    """Mean rate over the last full seconds, from buckets of one second.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started_s = clock()
        self._buckets: deque[tuple[int, int]] = deque()

    def add(self, count_bytes: int) -> None:
        """Counts bytes as moved now."""
        second = int(self._clock() - self._started_s)
        if self._buckets and self._buckets[-1][0] == second:
            count_bytes += self._buckets.pop()[1]
        self._buckets.append((second, count_bytes))
        while self._buckets[0][0] < second - WINDOW_S:
            self._buckets.popleft()

    def bytes_per_second(self) -> float:
        """The mean over the last `WINDOW_S` full seconds, or over what there is so far."""
        age_s = self._clock() - self._started_s
        now = int(age_s)
        if now == 0:
            return sum(count for _, count in self._buckets) / max(age_s, 0.1)
        first = max(0, now - WINDOW_S)
        return sum(count for at, count in self._buckets if first <= at < now) / (now - first)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSnapshot:
    """One stream at one moment."""

    number: int
    state: StreamState
    backup_job_id: int | None
    copies: tuple[str, ...]
    path: str
    """Cleaned for a screen."""
    file_bytes: int
    file_bytes_done: int
    bytes_done: int
    """By this stream since the start of the run."""
    bytes_per_second: float


class InFlight(NamedTuple):
    """One backup job on its way to one copy."""

    backup_job_id: int
    copy_name: str
    chunks_done: int
    bytes_done: int
    """In journaled chunks."""
    bytes_moved: int
    """On their way, with those that are journaled: what a bar shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """A whole run at one moment."""

    bytes_done: int
    """Source bytes that every destination has taken, each counted once; never goes down."""
    bytes_reused: int
    """Source bytes that no destination needed any more."""
    bytes_per_second: float
    """Of all destinations together, as the totals of a job are: two copies take twice the bytes."""
    streams: tuple[StreamSnapshot, ...]
    in_flight: tuple[InFlight, ...]


class StreamMeter:
    """Counters of one stream; the stream's own threads write, anyone reads.

    Args:
        number: of the stream, from 1.
        clock: monotonic seconds.
    """

    def __init__(self, number: int, clock: Callable[[], float]) -> None:
        self.number = number
        self._lock = threading.Lock()
        self._window = RateWindow(clock)
        self._bytes_done = 0
        self._path_shown: Callable[[], str] = str
        self._file_done: Callable[[], int] = int
        self._copies: tuple[str, ...] = ()
        self._file_bytes = 0
        self._backup_job_id: int | None = None
        self._throttles: tuple[Throttle, ...] = ()
        self.state = StreamState.IDLE

    def begin(
        self,
        *,
        backup_job_id: int,
        copies: tuple[str, ...],
        path_shown: Callable[[], str],
        file_bytes: int,
        file_done: Callable[[], int],
        throttles: tuple[Throttle, ...],
    ) -> None:
        """The stream starts on a piece of work; texts are made only when someone looks."""
        with self._lock:
            self._throttles = throttles
            self._backup_job_id, self._copies = backup_job_id, copies
            self._path_shown, self._file_done = path_shown, file_done
            self._file_bytes = file_bytes
            self.state = StreamState.COPYING

    def end(self) -> None:
        """The stream has nothing to do."""
        self.begin(
            backup_job_id=0, copies=(), path_shown=str, file_bytes=0, file_done=int, throttles=()
        )
        with self._lock:
            self._backup_job_id, self.state = None, StreamState.IDLE

    def add(self, count_bytes: int) -> None:
        """Counts bytes as moved; from any thread."""
        with self._lock:
            self._bytes_done += count_bytes
            self._window.add(count_bytes)

    def snapshot(self) -> StreamSnapshot:
        """The counters now."""
        with self._lock:
            return StreamSnapshot(
                number=self.number,
                state=self._state_now(),
                backup_job_id=self._backup_job_id,
                copies=self._copies,
                path=self._path_shown(),
                file_bytes=self._file_bytes,
                file_bytes_done=self._file_done(),
                bytes_done=self._bytes_done,
                bytes_per_second=self._window.bytes_per_second(),
            )

    def _state_now(self) -> StreamState:
        if self.state is StreamState.COPYING and any(each.is_binding for each in self._throttles):
            return StreamState.THROTTLED
        return self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSnapshot:
    """How far a restore or a verification is."""

    bytes_done: int
    files_done: int
    path: str
    """The file that was begun last, cleaned for a screen."""
    bytes_per_second: float


class ReadProgress:
    """Counters of a restore or a verification; thread-safe.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._window = RateWindow(clock)
        self._bytes_done = self._files_done = 0
        self._path = b""

    def begin(self, path: bytes) -> None:
        """A file is begun."""
        self._path = path

    def add(self, count_bytes: int) -> None:
        """Counts bytes as read."""
        with self._lock:
            self._bytes_done += count_bytes
            self._window.add(count_bytes)

    def add_files(self, count: int) -> None:
        """Counts files as done."""
        with self._lock:
            self._files_done += count

    def snapshot(self) -> ReadSnapshot:
        """The counters now."""
        with self._lock:
            return ReadSnapshot(
                bytes_done=self._bytes_done,
                files_done=self._files_done,
                path=shown(self._path),
                bytes_per_second=self._window.bytes_per_second(),
            )


class RunMeter:
    """Counters of a whole run; thread-safe.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._window = RateWindow(clock)
        self._bytes_done = 0
        self._bytes_reused = 0

    def add(self, count_bytes: int, destinations: int) -> None:
        """Counts source bytes as moved to so many destinations."""
        with self._lock:
            self._bytes_done += count_bytes
            self._window.add(count_bytes * destinations)

    def add_reused(self, count_bytes: int) -> None:
        """Counts source bytes that need not be read."""
        with self._lock:
            self._bytes_reused += count_bytes

    def snapshot(
        self, streams: tuple[StreamSnapshot, ...], in_flight: tuple[InFlight, ...]
    ) -> RunSnapshot:
        """The counters now, with those of the parts."""
        with self._lock:
            return RunSnapshot(
                bytes_done=self._bytes_done,
                bytes_reused=self._bytes_reused,
                bytes_per_second=self._window.bytes_per_second(),
                streams=streams,
                in_flight=in_flight,
            )
