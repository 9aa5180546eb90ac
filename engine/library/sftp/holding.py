"""Who writes a job copy: a lock file on the other host, since SFTP has no locks.

It is put in place exclusively and says who made it. One of a process that is gone is taken over: on
this host that can be told; of another host only by the time for which nobody has renewed it.

Whoever wants it first makes a file beside it whose name says who that is. Where the server refuses
to rename onto something, this file becomes the lock, which is never without its text. Elsewhere the
lock is created and then written, and the file beside it stays until it is: so that of an empty lock
it can be told, too, who may have it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count

from blake3 import blake3

from engine.library.journal import boot_id
from engine.library.layout import LOCK_SUFFIX, job_id_of
from engine.library.sftp import wire
from engine.library.sftp.far import FarSide
from engine.library.sftp.session import SftpSession
from engine.library.sftp.wire import Attributes, Reply
from engine.model.errors import DestinationWrite, StorageError

RENEW_S = 60.0
LAPSED_S = 15 * 60.0  # by the clock of the other host
_MOST_BYTES = 4096
_MOST_BLANKS = 2048
_LEFT = b".left"  # of a lock that is being taken over, and of a file that is made for its time
_held: set[str] = set()  # nonces of the locks that this process holds or is about to take
_serial = count(secrets.randbelow(_MOST_BLANKS))
_CLAIM = re.compile(
    rb"\.(?P<host>[0-9a-f]{8})-(?P<boot>[0-9a-f]{8})-(?P<namespace>[0-9a-f]{8})"
    rb"-(?P<pid>[0-9]{1,10})-(?P<started>[0-9]{1,20})-(?P<nonce>[0-9a-f]{32})(?:\.left)?"
)


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

    @classmethod
    def of_this_process(cls) -> Holder:
        """A new one."""
        return cls(
            host=_this_host(),
            boot_id=boot_id(),
            namespace=os.readlink("/proc/self/ns/pid"),
            pid=os.getpid(),
            started=_start_of(os.getpid()),
            nonce=secrets.token_hex(16),
        )

    @property
    def claim(self) -> bytes:
        """What follows the name of the lock in that of the file beside it."""
        short = (_short(self.host), _short(self.boot_id), _short(self.namespace))
        return f".{'-'.join(short)}-{self.pid}-{self.started}-{self.nonce}".encode(
            "ascii", "replace"
        )


class HeldLock:
    """A lock that this process holds until `release`."""

    def __init__(self, far: FarSide, path: bytes, where: bytes) -> None:
        self._far = far
        self._path = path
        self._where = where
        self._holder = Holder.of_this_process()
        self._claim = path + self._holder.claim
        self._blanks = next(_serial) % _MOST_BLANKS
        self._stamp: Attributes | None = None
        self._renewed_at = time.monotonic()

    async def take(self, announced: tuple[SftpSession, bytes] | None = None) -> None:
        """Takes the lock.

        Args:
            announced: what `announce` gave; None: it is called here.

        Raises:
            DestinationWrite: another writer has it.
            OSError: it cannot be written.
        """
        session, claim = announced or await self.announce()
        try:
            if not await self._place(session, claim):
                await self._take_over()
        except BaseException:
            self.forget()
            if session.error is None:
                with suppress(OSError, StorageError):
                    await self._far.remove_if_there(self._claim)
            raise

    async def announce(self) -> tuple[SftpSession, bytes]:
        """Makes the file that says who wants the lock; raises `OSError`."""
        _held.add(self._holder.nonce)
        session = await self._far.link.session()
        try:
            return session, await self._far.create(session, self._claim)
        except BaseException:
            self.forget()
            raise

    async def withdraw(self) -> None:
        """Takes back what `announce` said; raises as `release`."""
        self.forget()
        await self._far.remove_if_there(self._claim)

    async def check(self) -> None:
        """Proves that the lock is still this one, and renews it now and then.

        A look is enough where it shows what was put there: another writer's has another time,
        or at least another size.

        Raises:
            DestinationWrite: another writer has taken it.
            OSError: it cannot be looked at.
        """
        found = await self._far.look(self._path)
        if found is None or found != self._stamp:
            if await self._far.content(self._path, _MOST_BYTES) != self._text():
                raise self._taken()
            self._stamp = found
        if time.monotonic() - self._renewed_at > RENEW_S:
            await self._renew()
            self._renewed_at = time.monotonic()

    @property
    def removal(self) -> tuple[int, bytes]:
        """The request that removes it, for whoever has just checked it; `forget` comes after."""
        return wire.REMOVE, wire.text(self._path)

    async def release(self) -> None:
        """Removes the lock file, if it is still this one."""
        try:
            found = await self._far.look(self._path)
            is_mine = found is not None and found == self._stamp
            if is_mine or await self._far.content(self._path, _MOST_BYTES) == self._text():
                await self._far.remove_if_there(self._path)
        finally:
            self.forget()

    def forget(self) -> None:
        """Lets the next writer of this process take it over; the file stays."""
        _held.discard(self._holder.nonce)

    async def _place(self, session: SftpSession, claim: bytes) -> bool:
        """Makes the open claim the lock; False when there is one."""
        text = self._text()
        write = wire.WRITE, wire.text(claim) + wire.big_number(0) + wire.text(text)
        close = wire.CLOSE, wire.text(claim)
        if not session.is_openssh:  # it may rename onto what is there
            await session.in_order(write, close)
            return await self._create()
        rename = wire.RENAME, wire.text(self._claim) + wire.text(self._path)
        look = wire.LSTAT, wire.text(self._path)
        *written, renamed, looked = await session.replies(write, close, rename, look)
        try:
            for reply in written:
                session.expect(reply, wire.STATUS)
        except OSError as err:
            await self._far.remove_if_there(self._path if not renamed.is_refusal else self._claim)
            raise await self._far.explained(err) from err
        return self._is_placed(session, renamed, looked)

    def _is_placed(self, session: SftpSession, renamed: Reply, looked: Reply) -> bool:
        if renamed.is_refusal:
            return False
        found = session.expect(looked, wire.ATTRS)
        self._stamp = None if found is None else found.attributes()
        return True

    async def _create(self) -> bool:
        """Creates the lock and removes the claim; False when there is one."""
        session = await self._far.link.session()
        try:
            handle = await self._far.create(session, self._path)
        except FileExistsError:
            return False
        head = wire.text(handle) + wire.big_number(0) + wire.text(self._text())
        await session.in_order((wire.WRITE, head), (wire.CLOSE, wire.text(handle)))
        self._stamp = await self._far.look(self._path)
        await self._far.remove_if_there(self._claim)
        return True

    async def _take_over(self) -> None:
        """Takes what a writer left that is gone."""
        text = await self._far.content(self._path, _MOST_BYTES)
        if text is not None:
            if not await self._is_left(text):
                raise self._taken()
            aside = self._claim + _LEFT
            await self._far.rename_new(self._path, aside)
            if await self._far.content(aside, _MOST_BYTES) != text:  # another one was faster
                await self._far.rename_new(aside, self._path)
                raise self._taken()
            await self._far.remove_if_there(aside)
        session = await self._far.link.session()
        handle, _ = await self._far.open_regular(session, self._claim, wire.WRITING)
        if not await self._place(session, handle):
            raise self._taken()

    async def _is_left(self, text: bytes) -> bool:
        """True where the writer that made a lock with this text is gone."""
        holder = _holder_of(text)
        is_gone = None if holder is None else _is_gone(holder.claim)
        if not text:  # killed before it said who it is
            is_gone = await self._is_left_empty()
        if is_gone is not None:
            return is_gone
        found = await self._far.look(self._path)
        lapsed_s = LAPSED_S if text else RENEW_S
        return found is None or await self._now() - found.mtime_s > lapsed_s

    async def _is_left_empty(self) -> bool | None:
        """Whether all are gone who have made their file beside the lock; None: that cannot be told."""
        directory, _, lock = self._path.rpartition(b"/")
        names = await self._far.names(directory) or {}
        beside = [name[len(lock) :] for name in names if name.startswith(lock + b".")]
        gone = [_is_gone(one) for one in beside if one != self._holder.claim]
        if not gone or None in gone:
            return None
        return all(gone)

    async def _now(self) -> float:
        """The time over there: that of a file which is made for it."""
        probe = self._claim + _LEFT
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
            self._stamp = await session.fstat(handle)
        finally:
            await session.close_handle(handle)

    def _text(self) -> bytes:
        """Each as long as hardly any other: time and size tell it from one of the same second."""
        return json.dumps(asdict(self._holder)).encode("ascii") + b" " * self._blanks + b"\n"

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


def _is_gone(claim: bytes) -> bool | None:
    """Whether the process that a claim names has ended, or let it go; None: of another host."""
    found = _CLAIM.fullmatch(claim)
    if found is None or found["host"].decode() != _short(_this_host()):
        return None
    if found["boot"].decode() != _short(boot_id()):
        return True
    if found["namespace"].decode() != _short(os.readlink("/proc/self/ns/pid")):
        return None
    pid, started = int(found["pid"]), found["started"].decode()
    if (pid, started) == (os.getpid(), _start_of(os.getpid())):
        return found["nonce"].decode() not in _held
    return _start_of(pid) != started


async def sweep_locks(
    far: FarSide, directory: bytes, where: bytes, names: Collection[bytes]
) -> None:
    """Removes locks and claims in a directory of unfinished job copies whose makers are gone.

    A lock beside its job copy is left to the next writer of that.

    Args:
        far: the library.
        directory: of the unfinished job copies.
        where: for messages.
        names: what was found in it.
    """
    for name in names:
        job, is_lock, claim = name.partition(LOCK_SUFFIX)
        if not is_lock or job_id_of(job) is None:
            continue
        with suppress(OSError, DestinationWrite):
            if claim and _is_gone(claim):
                await far.remove_if_there(directory + b"/" + name)
            elif not claim and job not in names:
                lock = HeldLock(far, directory + b"/" + name, where)
                await lock.take()
                await lock.release()


def _short(text: str) -> str:
    return blake3(text.encode()).hexdigest(length=4)


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
