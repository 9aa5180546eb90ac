"""The journal on the other host: there with what it proves, so that it is there when this host is lost.

A chunk is believed when the server synced it and has not been started anew since. Where the server
cannot sync, or does not tell its boot, what the journal says is proven again before it is believed.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from engine.library import layout
from engine.library.interface import Done
from engine.library.journal import (
    JournalContent,
    JournalHeader,
    done_lines,
    drop_line,
    journal_content,
    journal_lines,
)
from engine.library.sftp import wire
from engine.library.sftp.far import FarSide
from engine.library.sftp.partial import FarPartial
from engine.library.sftp.session import SftpSession
from engine.library.sftp.together import gathered
from engine.model.errors import DestinationWrite
from engine.model.names import RelPath

_BOOT_ID = b"/proc/sys/kernel/random/boot_id"
_BLOCK_BYTES = 4 * 1024**2
_IN_MEMORY_BYTES = 8 * 1024**2


class FarJournal:
    """An open journal. Not thread-safe: its writer calls it on the loop, one call at a time."""

    def __init__(
        self, far: FarSide, path: bytes, header: JournalHeader, session: SftpSession, handle: bytes
    ) -> None:
        self._far = far
        self._path = path
        self._header = header
        self._session = session
        self._handle = handle
        self._end = 0
        self._beginning: asyncio.Task[None] | None = None
        self._is_dead = False
        self._is_closed = False

    @classmethod
    async def begin(
        cls, far: FarSide, directory: bytes, header: JournalHeader, chunks: Iterable[Done] = ()
    ) -> FarJournal:
        """Begins a journal in a directory, in place of an older one; durable on return.

        Raises:
            OSError: it cannot be written.
        """
        path = directory + b"/" + layout.JOURNAL
        session, handle, aside = await far.open_aside(path)
        journal = cls(far, path, header, session, handle)
        await journal._append(b"".join(journal_lines(header, chunks)))
        if session.is_openssh:
            await far.replace(aside, path)
            await far.sync_directory(directory)
            return journal
        # There are servers that know an open file by its name: what is written after the rename is lost.
        await session.close_handle(handle)
        await far.replace(aside, path)
        await far.sync_directory(directory)
        return await cls._opened(far, path, header)

    @classmethod
    async def begin_in(cls, far: FarSide, partial: FarPartial, header: JournalHeader) -> FarJournal:
        """Begins the first journal of a directory, durable with the directory when it `has_begun`.

        Data may be on their way before: one that is cut off there is trusted by nobody, as there is
        nothing in it.

        Raises:
            OSError: it cannot be written.
        """
        opened, partial.opened = partial.opened, None
        if opened is None:
            return await cls.begin(far, partial.job, header)
        session, handle, *directories = opened
        journal = cls(far, partial.job + b"/" + layout.JOURNAL, header, session, handle)
        journal._beginning = asyncio.create_task(journal._begin(directories))
        return journal

    async def _begin(self, directories: Sequence[bytes]) -> None:
        data = b"".join(journal_lines(self._header, ()))
        try:
            await gathered(
                [
                    self._write(data),
                    *(self._session.sync_and_close(directory) for directory in directories),
                ]
            )
        except BaseException:
            self._is_dead = True
            raise

    async def has_begun(self) -> None:
        """Waits until its beginning is durable, with its directory.

        Raises:
            OSError: it is not.
        """
        if self._beginning is not None:
            try:
                await asyncio.shield(self._beginning)
            except OSError as err:
                raise await self._far.explained(err) from err

    @classmethod
    async def go_on(cls, far: FarSide, directory: bytes, header: JournalHeader) -> FarJournal:
        """Opens a journal that was read, to append to it; a torn last line is closed off.

        Raises:
            OSError: it cannot be opened.
        """
        journal = await cls._opened(far, directory + b"/" + layout.JOURNAL, header)
        await journal._append(b"\n")
        return journal

    async def append(self, done: Iterable[Done]) -> None:
        """Adds chunks; durable on return.

        Raises:
            OSError: they are not proven, and nothing more can be with this journal.
        """
        await self._append(b"".join(done_lines(self._header, one) for one in done))

    async def drop(self, path: RelPath) -> None:
        """Takes back all that was said of a file; raises as `append`."""
        await self._append(drop_line(self._header, path))

    async def close(self) -> None:
        """Closes the file, once: the server gives its handle to the next file that is opened.

        Never raises: every line is durable already.
        """
        self._is_dead = True
        if self._is_closed:
            return
        self._is_closed = True
        if self._beginning is None:
            self._session.let_go(self._handle)
        else:  # nobody waits for a host that is away
            self._beginning.add_done_callback(self._let_go)

    def _let_go(self, beginning: asyncio.Task[None]) -> None:
        if not beginning.cancelled():
            beginning.exception()  # whoever needed it was told
        self._session.let_go(self._handle)

    @classmethod
    async def _opened(cls, far: FarSide, path: bytes, header: JournalHeader) -> FarJournal:
        session = await far.link.session()
        handle, found = await far.open_regular(session, path, wire.WRITING | wire.READING)
        journal = cls(far, path, header, session, handle)
        journal._end = found.size
        return journal

    async def _append(self, data: bytes) -> None:
        await self.has_begun()
        if self._is_dead:
            raise DestinationWrite("cannot write the journal: an earlier write to it failed")
        if data:
            await self._write(data)

    async def _write(self, data: bytes) -> None:
        try:
            await self._session.write_durably(self._handle, self._end, data)
        except OSError as err:
            self._is_dead = True  # what a failed sync left is unknown: never synced again
            raise await self._far.explained(err) from err
        except BaseException:
            self._is_dead = True
            raise
        self._end += len(data)


async def read_far_journal(far: FarSide, directory: bytes) -> JournalContent | None:
    """Reads the journal of a directory; None when there is none that can be trusted at all.

    Raises:
        OSError: it is there and cannot be read.
    """
    stream = await downloaded(far, directory + b"/" + layout.JOURNAL)
    if stream is None:
        return None
    with stream:
        return journal_content(stream)


async def downloaded(far: FarSide, path: bytes) -> BinaryIO | None:
    """A copy of a file over there, without a name here; None when it is not there; raises `OSError`."""
    try:
        async with far.reading(path) as (session, handle, found):
            with ExitStack() as on_failure:
                copy = on_failure.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES))
                at = 0
                while at < found.size:
                    buffer = bytearray(min(_BLOCK_BYTES, found.size - at))
                    count = await session.read_into(handle, at, memoryview(buffer))
                    if not count:
                        break
                    copy.write(memoryview(buffer)[:count])
                    at += count
                copy.seek(0, os.SEEK_SET)
                on_failure.pop_all()  # whole: whoever asked for it closes it
            return copy  # type: ignore[return-value]  # all of BinaryIO that is used
    except FileNotFoundError:
        return None


async def far_boot_id(far: FarSide) -> str:
    """What tells one boot of that host from another; empty where it is not told, or nothing is synced.

    Empty means that no chunk is believed by its journal alone.
    """
    session = await far.link.session()
    known = far.link.known
    if known.boot_id is None:
        known.boot_id = await _asked_boot_id(session)
    return known.boot_id


async def _asked_boot_id(session: SftpSession) -> str:
    if not session.has(wire.FSYNC):
        return ""
    try:
        handle = await session.open(_BOOT_ID, wire.READING)
        try:
            buffer = bytearray(64)
            count = await session.read_into(handle, 0, memoryview(buffer))
        finally:
            session.let_go(handle)
    except OSError:
        return ""
    return bytes(buffer[:count]).decode("ascii", "replace").strip()
