"""Who writes a job copy: a lock file on the other host, since SFTP has no locks.

It is created exclusively and says who made it. One of a process that is gone is taken over: on this
host that can be told; of another host only by the time for which nobody has renewed it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from engine.library.journal import boot_id
from engine.library.sftp import wire
from engine.library.sftp.far import FarSide
from engine.model.errors import DestinationWrite

RENEW_S = 60.0
LAPSED_S = 15 * 60.0  # by the clock of the other host
_MOST_BYTES = 4096
_held: set[str] = set()  # nonces of the locks that this process holds
_unfinished: set[tuple[str, bytes]] = (
    set()
)  # locks that it made and could not write: they are empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock."""

    host: str
    boot_id: str
    namespace: str
    pid: int
    started: str
    """Tells a process from a later one with its number."""
    nonce: str


class HeldLock:
    """A lock that this process holds until `release`."""

    def __init__(self, far: FarSide, path: bytes, where: bytes) -> None:
        self._far = far
        self._path = path
        self._where = where
        self._holder = Holder(
            host=_this_host(),
            boot_id=boot_id(),
            namespace=os.readlink("/proc/self/ns/pid"),
            pid=os.getpid(),
            started=_start_of(os.getpid()),
            nonce=secrets.token_hex(16),
        )
        self._renewed_at = time.monotonic()

    async def take(self) -> None:
        """Takes the lock.

        Raises:
            DestinationWrite: another writer has it.
            OSError: it cannot be written.
        """
        _held.add(self._holder.nonce)
        try:
            if not await self._create():
                await self._take_over()
        except BaseException:
            _held.discard(self._holder.nonce)
            raise

    async def check(self) -> None:
        """Proves that the lock is still this one, and renews it now and then.

        Raises:
            DestinationWrite: another writer has taken it.
            OSError: it cannot be looked at.
        """
        found = await self._far.content(self._path, _MOST_BYTES)
        if found != self._text():
            raise self._taken()
        if time.monotonic() - self._renewed_at > RENEW_S:
            await self._renew()
            self._renewed_at = time.monotonic()

    async def release(self) -> None:
        """Removes the lock file, if it is still this one."""
        try:
            if await self._far.content(self._path, _MOST_BYTES) == self._text():
                await self._far.remove_if_there(self._path)
        finally:
            self.forget()

    def forget(self) -> None:
        """Lets the next writer of this process take it over; the file stays."""
        _held.discard(self._holder.nonce)

    async def _create(self) -> bool:
        session = await self._far.link.session()
        try:
            handle = await self._far.create(session, self._path)
        except FileExistsError:
            return False
        text = self._text()
        head = wire.text(handle) + wire.big_number(0) + wire.text(text)
        key = self._far.link.address.label, self._path
        _unfinished.add(key)
        await session.in_order((wire.WRITE, head), (wire.CLOSE, wire.text(handle)))
        _unfinished.discard(key)
        return True

    async def _take_over(self) -> None:
        """Takes what a writer left that is gone."""
        text = await self._far.content(self._path, _MOST_BYTES)
        if text is not None:
            if not await self._is_left(text):
                raise self._taken()
            aside = self._path + b"." + self._holder.nonce.encode("ascii")
            await self._far.rename_new(self._path, aside)
            if await self._far.content(aside, _MOST_BYTES) != text:  # another one was faster
                await self._far.rename_new(aside, self._path)
                raise self._taken()
            await self._far.remove_if_there(aside)
        if not await self._create():
            raise self._taken()

    async def _is_left(self, text: bytes) -> bool:
        holder = _holder_of(text)
        if holder is not None and holder.host == self._holder.host:
            if holder.boot_id != self._holder.boot_id:
                return True
            if holder.namespace == self._holder.namespace:
                if (holder.pid, holder.started) == (self._holder.pid, self._holder.started):
                    return holder.nonce not in _held
                return _start_of(holder.pid) != holder.started
        if not text and (self._far.link.address.label, self._path) in _unfinished:
            return True
        found = await self._far.look(self._path)
        lapsed_s = LAPSED_S if text else RENEW_S  # empty: killed before it said who it is
        return found is None or await self._now() - found.mtime_s > lapsed_s

    async def _now(self) -> float:
        """The time over there: that of a file which is made for it."""
        probe = self._path + b"." + self._holder.nonce.encode("ascii")
        session = await self._far.link.session()
        handle = await self._far.create(session, probe)
        try:
            return (await session.fstat(handle)).mtime_s
        finally:
            await session.close_handle(handle)
            await self._far.remove_if_there(probe)

    async def _renew(self) -> None:
        session = await self._far.link.session()
        handle, _ = await self._far.open_regular(session, self._path, wire.WRITING)
        try:
            await session.write(handle, 0, self._text())
        finally:
            await session.close_handle(handle)

    def _text(self) -> bytes:
        return json.dumps(asdict(self._holder)).encode("ascii") + b"\n"

    def _taken(self) -> DestinationWrite:
        return DestinationWrite(
            f"cannot write {self._where.decode()}: another auxtui is writing it",
            hint="two services use this library: stop one of them; the lock of one that is gone "
            f"lapses after {LAPSED_S / 60:.0f} minutes",
        )


def _holder_of(text: bytes) -> Holder | None:
    try:
        found = json.loads(text)
        return Holder(
            host=str(found["host"]),
            boot_id=str(found["boot_id"]),
            namespace=str(found["namespace"]),
            started=str(found["started"]),
            pid=int(found["pid"]),
            nonce=str(found["nonce"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _start_of(pid: int) -> str:
    """When a process was started, in ticks of this boot; empty when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return stream.read().rpartition(b")")[2].split()[19].decode("ascii")
    except (OSError, IndexError):
        return ""


def _this_host() -> str:
    """What tells this host from others."""
    with suppress(OSError), open("/etc/machine-id", encoding="ascii") as stream:
        found = stream.read().strip()
        if found:
            return found
    return socket.gethostname()
