"""The line to one host: its connections, opened as they are needed, shared by all that use a library.

One per address and process. It lives on a loop of its own; what blocks is below `call`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from engine.library.line import NEAR_S, LineState
from engine.library.loopthread import LoopThread
from engine.library.sftp import wire
from engine.library.sftp.address import SftpAddress
from engine.library.sftp.channel import FLIGHT_BYTES
from engine.library.sftp.connecting import connect, unreachable
from engine.library.sftp.pacing import (
    FILES_ON_A_LINE,
    connections_for,
    files_at_once,
    files_on_a_line,
)
from engine.library.sftp.session import SftpSession
from engine.library.sftp.ssh import asyncssh
from engine.library.sftp.syncing import MOST_S, FarSync
from engine.library.sftp.together import Slots
from engine.library.sftp.wire import Attributes
from engine.model.errors import LibraryOffline
from engine.model.names import shown

asyncssh.set_log_level("WARNING")  # each login is not a line of the service's log

T = TypeVar("T")
WINDOW_BYTES = 16 * 1024**2  # what a server may send before it hears of us again
IDLE_S = 120.0  # a connection that nobody uses is closed
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0  # between tries of a host that cannot be reached
_BUSY_BYTES = 1024**2  # under way on every connection: another one may help
_ROUND_TRIPS = 3

_links: dict[tuple[str, SftpAddress], SftpLink] = {}
_lock = threading.Lock()


def link_to(name: str, address: SftpAddress) -> SftpLink:
    """The line to the host of a library; the same one for everybody in this process."""
    key = name, replace(address, path=b"")
    with _lock:
        if key not in _links:
            _links[key] = SftpLink(name, address)
        return _links[key]


def hang_up() -> None:
    """Closes every line of this process; a later call opens what it needs."""
    with _lock:
        links = list(_links.values())
        _links.clear()
    for link in links:
        link.stop()


class Known:
    """What was seen of a host, and is seen again only when every connection to it was lost."""

    def __init__(self) -> None:
        self.boot_id: str | None = None
        """Tells one boot of the host from another; None: not asked yet."""
        self.durable: set[bytes] = set()
        """Directories whose names were synced since they were made."""
        self.places: set[bytes] = set()
        """Directories of unfinished job copies that are made, and swept of what was left in them."""
        self.markers: dict[bytes, Attributes] = {}
        """Of libraries, as they were when they were read and found right."""


class SftpLink:
    """Connections to one host; the first error that is not of a file is remembered for a moment.

    Args:
        name: of the library, for messages.
        address: where it is.
    """

    def __init__(self, name: str, address: SftpAddress) -> None:
        self.address = address
        self._name = name
        self._thread = LoopThread(f"sftp {address.host}")
        self._sessions: list[SftpSession] = []
        self._connections: dict[SftpSession, asyncssh.SSHClientConnection] = {}
        self._opening: asyncio.Task[SftpSession] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._widening: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self._was_measured = asyncio.Event()
        self._refusal: LibraryOffline | None = None
        self._refused_until = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._used_at = time.monotonic()
        self._calls = 0
        self.latency_s = 0.0
        """The shortest round trip since the first of the connections was opened."""
        self.peer = ""
        self.syncs_directories: bool | None = None
        """Whether a directory can be made durable there; None: not tried yet."""
        self.hashes_there: bool | None = None
        """Whether BLAKE3 can be computed there; None: not tried yet."""
        self.no_hashes = ""
        """Why not, where it is known."""
        self.known = Known()
        self.file_slots = Slots(FILES_ON_A_LINE)
        """Small files that are open at once, whatever job copy they are of."""
        self.far_sync = self._new_far_sync()

    def _new_far_sync(self) -> FarSync:
        execute = partial(self.execute, timeout_s=MOST_S)
        return FarSync(execute, may_execute=self.address.may_execute)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the loop of this line and waits for it."""
        return self._thread.call(self._counted(work))

    async def _counted(self, work: Coroutine[Any, Any, T]) -> T:
        """However long it takes: a line that works on something is not idle."""
        self._calls += 1
        try:
            return await work
        finally:
            self._calls -= 1
            self._used_at = time.monotonic()

    def stop(self) -> None:
        """Closes all connections and ends the loop."""
        self._thread.call(self._close_all())
        self._thread.stop()

    @property
    def is_open(self) -> bool:
        """True while a connection is there."""
        return any(one.error is None for one in self._sessions)

    async def session(self) -> SftpSession:
        """A session that works: the least loaded one.

        Raises:
            LibraryOffline: the host cannot be reached; said again, without a try, for a moment.
        """
        self._used_at = time.monotonic()
        self._sessions = [one for one in self._sessions if one.error is None]
        if not self._sessions:
            self.known = Known()
            return await self._another()
        return min(self._sessions, key=lambda one: one.flight_bytes)

    async def sessions_for(self, size_bytes: int) -> list[SftpSession]:
        """The sessions for so many bytes: more of them where the line is long."""
        first = await self.session()
        if size_bytes <= _BUSY_BYTES:
            return [first]
        self.expect_data()
        if self._widening is not None:
            await asyncio.shield(self._widening)
        return self._sessions[:]

    def expect_data(self) -> None:
        """Begins to open as many connections as the line wants; nobody needs to wait for them."""
        if self._sessions and self._missing() > 0 and self._widening is None:
            self._widening = asyncio.create_task(self._widen())

    def _missing(self) -> int:
        wanted = connections_for(self.latency_s, self.address.most_connections)
        return wanted - len(self._sessions)

    async def _widen(self) -> None:
        """What does not open is done without: the next one who needs the line hears why."""
        try:
            await self._was_measured.wait()
            opening = [self._open() for _ in range(self._missing())]
            await asyncio.gather(*opening, return_exceptions=True)
        finally:
            self._widening = None

    @property
    def is_near(self) -> bool:
        """True where a round trip costs next to nothing."""
        return self.latency_s < NEAR_S

    @property
    def files_at_once(self) -> int:
        """Small files under way at once."""
        return files_at_once(self.latency_s)

    async def execute(self, script: bytes, *, timeout_s: float) -> bytes:
        """What a script of the POSIX shell prints over there; empty where none may run.

        It goes to the standard input of a shell: names in it are bytes, and no limit is near.

        Raises:
            LibraryOffline: the host cannot be reached.
            TimeoutError: the script, or what the account runs before every command, does not end.
        """
        await self.session()
        connection = next(iter(self._connections.values()))
        try:
            async with asyncio.timeout(timeout_s):
                done = await connection.run(
                    f"timeout {timeout_s:.0f} sh", input=script, encoding=None
                )
        except TimeoutError:
            raise
        except (OSError, asyncssh.Error):
            return b""
        found = done.stdout
        return found if isinstance(found, bytes) else b""

    def state(self) -> LineState:
        """What is known of the line now."""
        session = next(iter(self._sessions), None)
        offers, lacks, limits = ["sftp3"], [], []
        if session is not None:
            wanted = connections_for(self.latency_s, self.address.most_connections)
            limits = [
                f"{session.write_bytes // 1024} KiB a request, {FLIGHT_BYTES // 1024**2} MiB under "
                "way on a connection",
                f"{wanted} connection{'s' if wanted > 1 else ''} at most, "
                f"{self.files_at_once} small files at once",
            ]
            for extension, word, lack in _EXTENSIONS:
                if session.has(extension):
                    offers.append(word)
                else:
                    lacks.append(lack)
            if self.syncs_directories:
                offers.append("fsync-directory")
            elif self.syncs_directories is False and session.has(wire.FSYNC):
                lacks.append("directories cannot be synced: after a power cut a name may be gone")
            if self.hashes_there:
                offers.append("digest")
            elif self.hashes_there is not None:
                why = self.no_hashes or "no b3sum can be run there"
                lacks.append(f"{why}: what is verified is read back")
        return LineState(
            transport="sftp",
            peer=self.peer,
            latency_s=self.latency_s or None,
            connections=len(self._sessions),
            limits=tuple(limits),
            offers=tuple(offers),
            lacks=tuple(lacks),
        )

    def lost(self, why: str) -> LibraryOffline:
        """The error of a session that has ended."""
        return LibraryOffline(
            f"the connection to {shown(self.address.label)} was lost: {shown(why)}",
            hint="the work goes on by itself when the host is back",
        )

    async def _another(self) -> SftpSession:
        """One more connection; those who come meanwhile wait for the same."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, task: asyncio.Task[SftpSession]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits any more

    async def _open(self) -> SftpSession:
        if self._refusal is not None and time.monotonic() < self._refused_until:
            raise copy(self._refusal)
        try:
            session = await self._connected()
        except LibraryOffline as err:
            self._refusal = err
            self._refused_until = time.monotonic() + self._pause_s
            self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s)
            raise
        self._refusal, self._pause_s = None, _FIRST_PAUSE_S
        self._sessions.append(session)
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_idle())
        return session

    async def _connected(self) -> SftpSession:
        connection = await connect(self._name, self.address)
        try:
            session = SftpSession(self.lost)
            asked_at = asyncio.get_running_loop().time()
            await connection.create_session(
                lambda: session,
                subsystem="sftp",
                encoding=None,
                window=WINDOW_BYTES,
            )
            await session.start()
            if not self._sessions:
                self.latency_s = session.opened_at - asked_at
                self._was_measured.clear()
                self._measuring = asyncio.create_task(self._measure(session))
                self.file_slots = Slots(files_on_a_line(session.handles_limit))
        except (OSError, asyncssh.Error) as err:
            connection.abort()
            raise unreachable(self._name, self.address, err) from err
        except BaseException:
            connection.abort()
            raise
        self.peer = shown(str(connection.get_extra_info("server_version") or "an SSH server"))
        self._connections = {
            one: its for one, its in self._connections.items() if one.error is None
        }
        self._connections[session] = connection
        return session

    async def _measure(self, session: SftpSession) -> None:
        """Makes the round trip more exact than the opening of the channel has told it.

        That was the work of a host that starts processes, too. Nobody waits for this but what
        opens more connections, and that for the first try.
        """
        try:
            for _ in range(_ROUND_TRIPS):
                start = time.perf_counter()
                await session.path_of(wire.REALPATH, b".")
                self.latency_s = min(self.latency_s, time.perf_counter() - start)
                self._was_measured.set()
        except (OSError, LibraryOffline):
            return  # whoever uses the line hears why
        finally:
            self._was_measured.set()

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(IDLE_S / 4)
            if not self._calls and time.monotonic() - self._used_at > IDLE_S:
                self._closing = None
                await self._close_all()
                return

    async def _close_all(self) -> None:
        for task in (self._widening, self._measuring):
            if task is not None:
                task.cancel()
        self._measuring, self._was_measured = None, asyncio.Event()  # of this loop alone
        self.file_slots = Slots(FILES_ON_A_LINE)  # of this loop alone
        self.far_sync = self._new_far_sync()
        connections, self._connections = self._connections, {}
        self._sessions = []
        if not self.hashes_there:
            self.hashes_there, self.no_hashes = None, ""  # tried again on the next connection
        for session, connection in connections.items():
            session.close()
            connection.abort()
        if self._closing is not None and self._closing is not asyncio.current_task():
            self._closing.cancel()
            self._closing = None


_EXTENSIONS = (
    (
        wire.FSYNC,
        "fsync",
        "no fsync@openssh.com: nothing proves that what was written survives a crash of that host",
    ),
    (
        wire.POSIX_RENAME,
        "posix-rename",
        "no posix-rename@openssh.com: a file is replaced in two steps",
    ),
    (wire.STATVFS, "statvfs", "no statvfs@openssh.com: the free space is not known"),
    (
        wire.HARDLINK,
        "hardlink",
        "no hardlink@openssh.com: hard links are kept in the manifest only",
    ),
    (
        wire.LSETSTAT,
        "lsetstat",
        "no lsetstat@openssh.com: times of symbolic links are kept in the manifest only",
    ),
    (wire.LIMITS, "limits", "no limits@openssh.com: requests of 32 KiB"),
)
