"""One SFTP session: what can be asked of a server, in the words of files and directories."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterable
from typing import NamedTuple

from engine.library.sftp import wire
from engine.library.sftp.channel import OLD_REQUEST_BYTES, SftpChannel
from engine.library.sftp.together import all_of, gathered
from engine.library.sftp.wire import Attributes, Reply

REQUEST_BYTES = 255 * 1024  # what OpenSSH takes at once, measured best
_READ_ONLY = 1  # flag of statvfs@openssh.com
_NAMES_IN_A_LIST = 100  # in each part of a list; OpenSSH, which others follow
_FIRST_LISTS, _MOST_LISTS = 2, 16  # parts, asked for together: the last one says only that it is


def is_refused(err: OSError) -> bool:
    """True where the server does not do such a thing at all."""
    return isinstance(err, PermissionError) or err.errno == errno.EOPNOTSUPP


class FileSystem(NamedTuple):
    """What a server says of a file system."""

    free_bytes: int
    """For this account."""
    total_bytes: int
    """With what is used, as `df` reckons."""
    is_read_only: bool


class SftpSession(SftpChannel):
    """The requests of SFTP version 3, and the extensions that are used where there are any."""

    async def start(self) -> None:
        """Agrees on the version, and learns extensions and limits.

        Raises:
            LibraryOffline: nothing that speaks SFTP answers.
        """
        self._send(wire.INIT, wire.number(wire.VERSION))
        # OpenSSH takes this question right behind the first words, an older one as well.
        limits = self._ask_limits() if self.is_openssh else None
        reply = await self.greeted()
        if reply.number() < wire.VERSION:
            raise self._lost_error("the server speaks an SFTP older than version 3")
        while reply.has_more():
            name = reply.text()
            self.extensions[name] = reply.text() if reply.has_more() else b""
        if self.has(wire.LIMITS):
            await self._learn_limits(limits or self._ask_limits())

    async def lstat(self, path: bytes) -> Attributes:
        """Attributes of what a path names, links not followed."""
        return self._attributes(await self.ask(wire.LSTAT, wire.text(path)))

    async def fstat(self, handle: bytes) -> Attributes:
        """Attributes of an open file."""
        return self._attributes(await self.ask(wire.FSTAT, wire.text(handle)))

    async def open(self, path: bytes, flags: int, mode: int | None = None) -> bytes:
        """Opens a file; returns its handle."""
        return self._handle(await self.ask(*self.opening(path, flags, mode)))

    def opening(self, path: bytes, flags: int, mode: int | None = None) -> tuple[int, bytes]:
        """The request that opens a file."""
        return wire.OPEN, wire.text(path) + wire.number(flags) + wire.attributes(mode=mode)

    def syncing(self, handle: bytes) -> tuple[int, bytes]:
        """The request that makes an open file durable, of a server that can."""
        return wire.EXTENDED, wire.text(wire.FSYNC) + wire.text(handle)

    async def close_handle(self, handle: bytes) -> None:
        """Closes a file or a list."""
        await self.status(wire.CLOSE, wire.text(handle))

    def let_go(self, handle: bytes) -> None:
        """Closes what was only read; nobody waits for the answer."""
        if self.error is None:
            self.request(wire.CLOSE, wire.text(handle))

    async def sync_and_close(self, handle: bytes) -> None:
        """Makes an open file durable, where the server can, and closes it."""
        requests = [(wire.CLOSE, wire.text(handle))]
        if self.has(wire.FSYNC):
            requests.insert(0, self.syncing(handle))
        await self.in_order(*requests)

    async def put(self, handle: bytes, blocks: Iterable[bytes]) -> None:
        """Writes a new file from its beginning, makes it durable and closes it; raises as `status`."""
        sent: list[asyncio.Future[Reply]] = []
        at = 0
        for block in blocks:
            view = memoryview(block)
            for start in range(0, len(view), self.write_bytes):
                piece = view[start : start + self.write_bytes]
                sent.append(await self.send_write(handle, at, piece))
                at += len(piece)
        if not self.is_openssh:
            self._expect_well(await all_of(sent))
            await self.sync_and_close(handle)
            return
        replies, _ = await gathered([all_of(sent), self.sync_and_close(handle)])
        self._expect_well(replies)

    def _expect_well(self, replies: Iterable[Reply]) -> None:
        for reply in replies:
            self.expect(reply, wire.STATUS)

    async def fsync(self, handle: bytes) -> None:
        """Makes an open file durable, where the server can."""
        if self.has(wire.FSYNC):
            await self.extended(wire.FSYNC, wire.text(handle))

    async def write_durably(self, handle: bytes, offset: int, data: bytes) -> None:
        """Writes what fits into one request and syncs it, without a wait where that is in order."""
        if len(data) > self.write_bytes:
            await self.write(handle, offset, data)
            await self.fsync(handle)
            return
        body = wire.text(handle) + wire.big_number(offset) + wire.text(data)
        requests = [(wire.WRITE, body)]
        if self.has(wire.FSYNC):
            requests.append(self.syncing(handle))
        await self.in_order(*requests)

    async def write(self, handle: bytes, offset: int, data: bytes | memoryview) -> None:
        """Writes any number of bytes at an offset; raises as `status`."""
        view = memoryview(data)
        sent = [
            await self.send_write(handle, offset + at, view[at : at + self.write_bytes])
            for at in range(0, len(view), self.write_bytes)
        ]
        for future in sent:
            self.expect(await future, wire.STATUS)

    async def send_write(
        self, handle: bytes, offset: int, data: bytes | memoryview
    ) -> asyncio.Future[Reply]:
        """Sends a write when there is room for it; whoever calls looks at the reply."""
        await self.room(len(data))
        head = wire.text(handle) + wire.big_number(offset) + wire.number(len(data))
        return self.request(wire.WRITE, head, data, weighs=len(data))

    async def read_into(self, handle: bytes, offset: int, into: memoryview) -> int:
        """Fills a buffer of any size with requests side by side; short only at the end of the file."""
        pieces = [
            self._read_piece(handle, offset + at, into[at : at + self.read_bytes])
            for at in range(0, len(into), self.read_bytes)
        ]
        if len(pieces) == 1:
            return await pieces[0]
        counts = await gathered(pieces)
        total = 0
        for count, at in zip(counts, range(0, len(into), self.read_bytes), strict=True):
            total += count
            if count < min(self.read_bytes, len(into) - at):
                break
        return total

    async def _read_piece(self, handle: bytes, offset: int, into: memoryview) -> int:
        count = 0
        while count < len(into):
            wanted = len(into) - count
            await self.room(wanted)
            body = wire.text(handle) + wire.big_number(offset + count) + wire.number(wanted)
            reply = await self.request(wire.READ, body, weighs=wanted)
            data = self.expect(reply, wire.DATA)
            if data is None:
                break
            got = data.view()
            if not got or len(got) > wanted:
                raise OSError(errno.EIO, "the server sent another number of bytes than asked for")
            into[count : count + len(got)] = got
            count += len(got)
        return count

    async def names(self, path: bytes, *, at_least: int = 0) -> dict[bytes, Attributes]:
        """What is in a directory, with attributes, links not followed.

        Args:
            path: of the directory.
            at_least: how many names are expected: so many parts of the list are asked for at once.
        """
        handle = self._handle(await self.ask(wire.OPENDIR, wire.text(path)))
        found: dict[bytes, Attributes] = {}
        try:
            at_once = min(_FIRST_LISTS + at_least // _NAMES_IN_A_LIST, _MOST_LISTS)
            while await self._listed(handle, found, at_once):
                at_once = min(2 * at_once, _MOST_LISTS)
        finally:
            self.let_go(handle)
        return found

    async def _listed(self, handle: bytes, found: dict[bytes, Attributes], count: int) -> bool:
        """Takes the next parts of a list, asked for together; False when it was the last one."""
        is_more = True
        for answer in await gathered(
            [self.ask(wire.READDIR, wire.text(handle)) for _ in range(count)]
        ):
            reply = self.expect(answer, wire.NAME)
            if reply is None:
                is_more = False
                continue
            for _ in range(reply.number()):
                name = reply.text()
                reply.view()
                attributes = reply.attributes()
                if name not in (b".", b"..") and b"/" not in name:
                    found[name] = attributes
        return is_more

    async def path_of(self, kind: int, path: bytes) -> bytes:
        """The one name that REALPATH or READLINK answers."""
        reply = self.expect(await self.ask(kind, wire.text(path)), wire.NAME)
        if reply is None or reply.number() != 1:
            raise OSError(errno.EIO, "the server did not answer with one name")
        return reply.text()

    async def tried(self, extension: bytes, body: bytes) -> bool:
        """As `extended`; False where the server has no such thing, though it may say that it has.

        There are servers that announce what their library knows, and refuse it when it is asked for.
        """
        if not self.has(extension):
            return False
        try:
            await self.extended(extension, body)
        except OSError as err:
            if err.errno != errno.EOPNOTSUPP:
                raise
            self.extensions.pop(extension, None)
            return False
        return True

    async def makes_hard_links(self) -> bool:
        """True where the server does: asked for one of a file that is not there."""
        nothing = wire.text(b".auxtui-probe.none")
        try:
            return await self.tried(wire.HARDLINK, nothing + nothing)
        except OSError:
            return True  # it has looked for the file

    async def makes_symlinks(self) -> bool:
        """True where the server does: asked for one in a directory that is not there."""
        nothing = wire.text(b".auxtui-probe.none/none")
        try:
            await self.status(wire.SYMLINK, nothing + nothing)
        except OSError as err:
            return not is_refused(err)  # else it has looked for the directory
        return True

    async def file_system(self, path: bytes) -> FileSystem | None:
        """The file system that holds a path; None: it cannot tell."""
        if not self.has(wire.STATVFS):
            return None
        body = wire.text(wire.STATVFS) + wire.text(path)
        try:
            reply = self.expect(await self.ask(wire.EXTENDED, body), wire.EXTENDED_REPLY)
        except OSError as err:
            if err.errno != errno.EOPNOTSUPP:
                raise
            self.extensions.pop(wire.STATVFS, None)  # announced, and not there: see `tried`
            return None
        if reply is None:
            return None
        _, unit, blocks, free, available, *_, flags, _ = (reply.big_number() for _ in range(11))
        return FileSystem(
            free_bytes=available * unit,
            total_bytes=(blocks - free + available) * unit,
            is_read_only=bool(flags & _READ_ONLY),
        )

    def _ask_limits(self) -> asyncio.Future[Reply]:
        return self.request(wire.EXTENDED, wire.text(wire.LIMITS))

    async def _learn_limits(self, asked: asyncio.Future[Reply]) -> None:
        reply = self.expect(await asked, wire.EXTENDED_REPLY)
        if reply is None:
            return
        _, reads, writes = reply.big_number(), reply.big_number(), reply.big_number()
        self.handles_limit = reply.big_number()
        self.read_bytes = min(reads or OLD_REQUEST_BYTES, REQUEST_BYTES)
        self.write_bytes = min(writes or OLD_REQUEST_BYTES, REQUEST_BYTES)

    def _attributes(self, reply: Reply) -> Attributes:
        body = self.expect(reply, wire.ATTRS)
        if body is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return body.attributes()

    def _handle(self, reply: Reply) -> bytes:
        body = self.expect(reply, wire.HANDLE)
        if body is None:
            raise OSError(errno.EIO, "the server gave no handle")
        return body.text()
