"""A large file on its way to the other host: ranges written behind, bounded, on several connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.library.blame import on_destination
from engine.library.file_handles import next_run, suspect_error
from engine.library.sftp import wire
from engine.library.sftp.far import FarSide
from engine.library.sftp.session import SftpSession
from engine.library.sftp.together import gathered
from engine.library.sftp.wire import Reply
from engine.model.errors import DestinationError, DestinationWrite, StorageError
from engine.model.names import RelPath, shown


class FarWriter:
    """`WriteHandle` of a remote library; thread-safe.

    A write returns when its bytes are under way: an error comes with a later write or the sync.

    Args:
        far: the library.
        path: for messages.
        handles: the file, open on each session that it is written through.
        leaves_holes: made by this very handle, and sparse: runs of zeros are not written.
        is_suspect: tells whether a sync of this file failed, through whichever handle.
        failed: is told that the sync of this handle failed.
    """

    def __init__(
        self,
        far: FarSide,
        path: RelPath,
        handles: dict[SftpSession, bytes],
        *,
        leaves_holes: bool,
        is_suspect: Callable[[RelPath], bool],
        failed: Callable[[RelPath], None],
    ) -> None:
        self._far = far
        self._path = path
        self._handles = handles
        self._leaves_holes = leaves_holes
        self._is_suspect = is_suspect
        self._failed = failed
        self._written: list[tuple[int, int]] = []
        self._under_way: dict[asyncio.Future[Reply], SftpSession] = {}
        self._error: Exception | None = None
        self._is_closed = False

    def write(self, buffer: memoryview, offset: int) -> None:
        """See `WriteHandle`."""
        self._refuse_dead()
        with on_destination("write", self._path):
            self._far.link.call(self._put(buffer.cast("B"), offset))

    def sync(self) -> None:
        """See `WriteHandle`. A line that was lost says nothing against what was synced before."""
        self._refuse_dead()
        try:
            with on_destination("sync", self._path):
                self._far.link.call(self._sync())
        except DestinationError as err:
            try:
                self._failed(self._path)
            except StorageError as second:
                err.add_note(f"and it cannot be taken back: {second.message}")
            raise

    def fileno(self) -> None:
        """None: there is no descriptor."""

    def close(self) -> None:
        """Closes the file; what is under way arrives before."""
        if not self._is_closed:
            self._is_closed = True
            self._far.link.call(self._close())

    async def _put(self, view: memoryview, offset: int) -> None:
        leaves_holes = self._leaves_holes and not self._overlaps(offset, len(view))
        self._written.append((offset, offset + len(view)))
        start = 0
        while start < len(view):
            end, is_hole = len(view), False
            if leaves_holes:
                end, is_hole = next_run(view, start, offset)
            if not is_hole:
                await self._send(view[start:end], offset + start)
            start = end

    async def _send(self, view: memoryview, offset: int) -> None:
        at = 0
        while at < len(view):
            await self._raise_error()
            session = min(self._handles, key=lambda one: one.flight_bytes)
            piece = view[at : at + session.write_bytes]
            future = await session.send_write(self._handles[session], offset + at, piece)
            self._under_way[future] = session
            future.add_done_callback(self._answered)
            at += len(piece)

    def _answered(self, future: asyncio.Future[Reply]) -> None:
        session = self._under_way.pop(future)
        if future.cancelled():
            return
        try:
            session.expect(future.result(), wire.STATUS)
        except (OSError, StorageError) as err:
            self._error = self._error or err

    async def _drain(self) -> None:
        """Waits for the answers to what is under way now."""
        under_way = list(self._under_way)
        if under_way:
            await asyncio.wait(under_way)
        await asyncio.sleep(0)  # the callbacks of the last answers come first

    async def _sync(self) -> None:
        """Behind the writes on each session, where a server keeps their order; else after them all."""
        if all(session.is_openssh for session in self._handles):
            syncing = [session.fsync(handle) for session, handle in self._handles.items()]
            await gathered([*syncing, self._drain()])
        else:
            await self._drain()
            await self._raise_error()
            session, handle = next(iter(self._handles.items()))
            await session.fsync(handle)
        await self._raise_error()

    async def _close(self) -> None:
        """Nobody waits for the answer: it was synced before, or is not believed anyway."""
        await self._drain()
        for session, handle in self._handles.items():
            session.let_go(handle)

    async def _raise_error(self) -> None:
        if isinstance(self._error, OSError):
            raise await self._far.explained(self._error)
        if self._error is not None:
            raise self._error

    def _overlaps(self, offset: int, length: int) -> bool:
        """True where an earlier write may have left something that a hole would not take away."""
        return any(offset < end and start < offset + length for start, end in self._written)

    def _refuse_dead(self) -> None:
        if self._is_suspect(self._path):
            raise suspect_error(self._path)
        if self._is_closed:
            raise DestinationWrite(f"cannot write {shown(self._path)}: it is closed")
