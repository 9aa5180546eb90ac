"""Files and directories on the other host: what a library needs of a file system, over one line.

Paths are resolved over there, anew at each request: version 3 has no directory handles to hold on
to. So every directory on the way is looked at first and must not be a link, a new file is created
exclusively, and one that is there must be a regular file. What cannot be excluded is somebody with
an account on that host who swaps a directory between the look and the use.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from engine.library.beneath import OWN_DIRECTORY_MODE, OWN_FILE_MODE
from engine.library.layout import ASIDE_SUFFIX
from engine.library.sftp import wire
from engine.library.sftp.link import SftpLink
from engine.library.sftp.session import FileSystem, SftpSession
from engine.library.sftp.together import bounded, gathered
from engine.library.sftp.wire import Attributes, FailureError
from engine.model.errors import StorageError

NEW_FILE = wire.WRITING | wire.READING | wire.CREATING | wire.EXCLUSIVE
_ODD_FREE_BYTES = 1024**2  # less than this free, and a failed write is taken for a full disk


class FarSide:
    """The tree of one library.

    Args:
        link: to its host.
        root: of the library there.
    """

    def __init__(self, link: SftpLink, root: bytes) -> None:
        self.link = link
        self.root = root

    def at(self, *parts: bytes) -> bytes:
        """The path of something below the root."""
        return b"/".join((self.root, *(part for part in parts if part)))

    async def look(self, path: bytes) -> Attributes | None:
        """Attributes of what is there, links not followed; None when nothing is."""
        session = await self.link.session()
        try:
            return await session.lstat(path)
        except FileNotFoundError:
            return None

    async def is_there(self, path: bytes) -> bool:
        """True when something has this name."""
        return await self.look(path) is not None

    async def names(self, path: bytes, *, at_least: int = 0) -> dict[bytes, Attributes] | None:
        """What is in a directory; None when it is not there.

        Args:
            path: of the directory.
            at_least: how many names are expected.

        Raises:
            OSError: it is no directory, or cannot be listed.
        """
        session = await self.link.session()
        listing = asyncio.ensure_future(session.names(path, at_least=at_least))
        try:
            found = await self.look(path)
            if found is None:
                return None
            require_directory(found)
            return await listing
        finally:
            await asyncio.gather(listing, return_exceptions=True)

    async def make_directory(self, path: bytes) -> bool:
        """Makes a directory of our own unless it is there; True when it was made.

        Raises:
            OSError: something else has its name, or it cannot be made.
        """
        session = await self.link.session()
        try:
            if not session.is_openssh and await self.is_there(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))  # not all say so
            body = wire.text(path) + wire.attributes(mode=OWN_DIRECTORY_MODE)
            await session.status(wire.MKDIR, body)
        except OSError as err:
            found = await self.look(path)
            if found is None:
                raise await self.explained(err) from err
            require_directory(found)
            if found.mode & OWN_DIRECTORY_MODE != OWN_DIRECTORY_MODE:
                await self.set_attributes(path, mode=found.mode & 0o7777 | OWN_DIRECTORY_MODE)
            return False
        self.link.known.durable.discard(path)
        return True

    async def make_durable_directory(self, *paths: bytes) -> None:
        """As `make_directory`, with those above them synced, also when an earlier try made them.

        Args:
            paths: each below the one before it, or beside it.
        """
        await (await self.make_directories(paths, await gathered([self.look(p) for p in paths])))

    async def make_directories(
        self, paths: Sequence[bytes], there: Sequence[Attributes | None]
    ) -> Coroutine[None, None, None]:
        """Makes what is missing; what it returns makes it durable, and must be awaited.

        Args:
            paths: each below the one before it, or beside it.
            there: what was found of each.

        Raises:
            OSError: one cannot be made, or something else has its name.
        """
        durable = self.link.known.durable
        for found in there:
            if found is not None:
                require_directory(found)
        missing = [path for path, found in zip(paths, there, strict=True) if found is None]
        unsynced = [path for path in paths if path not in durable or path in missing]
        above = list(dict.fromkeys(os.path.dirname(path) for path in unsynced))
        session = await self.link.session()
        made, opened = await self._made_and_opened(session, missing, above)
        try:
            for path, found in zip(paths, there, strict=True):
                if path not in made and (
                    found is None or found.mode & OWN_DIRECTORY_MODE != OWN_DIRECTORY_MODE
                ):
                    await self.make_directory(path)
        except BaseException:
            for handle in opened.values():
                session.let_go(handle)
            raise

        async def sync() -> None:
            await gathered([self._sync_one(session, path, opened.get(path)) for path in above])
            durable.update(unsynced)

        return sync()

    async def _made_and_opened(
        self, session: SftpSession, missing: Sequence[bytes], above: Sequence[bytes]
    ) -> tuple[set[bytes], dict[bytes, bytes]]:
        """Makes directories, each below one before it, and opens others, all in one go.

        Returns:
            Those that were made, and the handles of those that were opened.
        """
        if not session.is_openssh:
            return set(), {}
        mode = wire.attributes(mode=OWN_DIRECTORY_MODE)
        may_sync = session.has(wire.FSYNC) and self.link.syncs_directories is not False
        replies = await session.replies(
            *((wire.MKDIR, wire.text(path) + mode) for path in missing),
            *(session.opening(path, wire.READING) for path in above if may_sync),
        )
        made = {path for path, reply in zip(missing, replies, strict=False) if not reply.is_refusal}
        self.link.known.durable -= made
        opened = {
            path: reply.text()
            for path, reply in zip(above, replies[len(missing) :], strict=False)
            if reply.kind == wire.HANDLE
        }
        return made, opened

    async def _sync_one(self, session: SftpSession, path: bytes, handle: bytes | None) -> None:
        if handle is None:
            await self.sync_directory(path)
        else:
            await self._sync_opened(session, handle)

    async def set_attributes(
        self, path: bytes, *, mode: int | None = None, mtime_s: int | None = None
    ) -> None:
        """Sets what is given of a file or directory that was looked at before."""
        session = await self.link.session()
        body = wire.text(path) + wire.attributes(mode=mode, mtime_s=mtime_s)
        await session.status(wire.SETSTAT, body)

    async def sync_directory(self, path: bytes) -> None:
        """Makes the names in a directory durable, where the server can.

        Raises:
            OSError: it could before, and fails now.
        """
        if self.link.syncs_directories is False:
            return
        session = await self.link.session()
        if not session.has(wire.FSYNC):
            self.link.syncs_directories = False
            return
        try:
            handle = await session.open(path or b".", wire.READING)
        except OSError:
            if self.link.syncs_directories:
                raise
            self.link.syncs_directories = False
            return
        await self._sync_opened(session, handle)

    async def _sync_opened(self, session: SftpSession, handle: bytes) -> None:
        try:
            await session.sync_and_close(handle)
        except OSError:
            if self.link.syncs_directories:
                raise
            self.link.syncs_directories = False
            return
        self.link.syncs_directories = True

    def is_in_order(self, session: SftpSession) -> bool:
        """True where requests that build on each other may go out together, syncs among them.

        Known only after the first directory was synced.
        """
        return bool(self.link.syncs_directories) and session.is_openssh

    @asynccontextmanager
    async def reading(self, path: bytes) -> AsyncIterator[tuple[SftpSession, bytes, Attributes]]:
        """Opens a regular file for a block: session, handle, attributes.

        Raises:
            OSError: it is not there, is no regular file, or cannot be opened.
        """
        session = await self.link.session()
        handle, found = await open_looked_at(session, path)
        try:
            yield session, handle, found
        finally:
            session.let_go(handle)

    async def open_regular(
        self, session: SftpSession, path: bytes, flags: int
    ) -> tuple[bytes, Attributes]:
        """Opens what is there already, and only a regular file; raises `OSError`."""
        require_file(await session.lstat(path))
        try:
            handle = await session.open(path, flags)
        except PermissionError:
            if not flags & wire.WRITING:
                raise
            await self.set_attributes(path, mode=OWN_FILE_MODE)
            handle = await session.open(path, flags)
        try:
            found = await session.fstat(handle)
            require_file(found)
        except BaseException:
            if session.error is None:
                await session.close_handle(handle)
            raise
        return handle, found

    async def content(self, path: bytes, most_bytes: int) -> bytes | None:
        """The first bytes of a small file; None when it is not there; raises `OSError`."""
        try:
            async with self.reading(path) as (session, handle, found):
                buffer = bytearray(min(found.size, most_bytes))
                count = await session.read_into(handle, 0, memoryview(buffer))
                return bytes(buffer[:count])
        except FileNotFoundError:
            return None

    async def create(self, session: SftpSession, path: bytes) -> bytes:
        """Creates a file of our own that was not there; returns its handle.

        Raises:
            FileExistsError: something has its name.
            OSError: it cannot be made.
        """
        try:
            return await session.open(path, NEW_FILE, OWN_FILE_MODE)
        except OSError as err:
            if await self.is_there(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from err
            raise await self.explained(err) from err

    async def put_aside(self, path: bytes, blocks: Iterable[bytes]) -> bytes:
        """Writes a whole file beside its place, synced; returns the name that it has for now."""
        session, handle, aside = await self.open_aside(path)
        try:
            await session.put(handle, blocks)
        except OSError as err:
            raise await self.explained(err) from err
        return aside

    async def open_aside(self, path: bytes) -> tuple[SftpSession, bytes, bytes]:
        """A new file beside a place, in place of what an earlier try left: session, handle, name."""
        aside = path + ASIDE_SUFFIX
        session = await self.link.session()
        try:
            handle = await self.create(session, aside)
        except FileExistsError:
            await self.remove_if_there(aside)
            handle = await self.create(session, aside)
        return session, handle, aside

    async def replace(self, old: bytes, new: bytes) -> None:
        """Renames a file in place of another; at once where the server can."""
        session = await self.link.session()
        body = wire.text(old) + wire.text(new)
        if await session.tried(wire.POSIX_RENAME, body):
            return
        await self.remove_if_there(new)
        await session.status(wire.RENAME, body)

    async def rename_new(self, old: bytes, new: bytes) -> None:
        """Renames to a name that must be free.

        A directory with something in it is never replaced by a rename, whatever a server makes of
        it; the look comes first for everything else.

        Raises:
            FileExistsError: it is not free.
            OSError: it cannot be renamed.
        """
        if await self.is_there(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        session = await self.link.session()
        try:
            await session.status(wire.RENAME, wire.text(old) + wire.text(new))
        except OSError as err:
            if await self.is_there(new) and await self.is_there(old):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from err
            raise await self.explained(err) from err

    async def remove_if_there(self, path: bytes) -> None:
        """Removes a file or a link, if there is one."""
        session = await self.link.session()
        with suppress(FileNotFoundError):
            await session.status(wire.REMOVE, wire.text(path))

    async def remove_tree(self, path: bytes) -> None:
        """Removes a file, a link or a directory with all that is in it; links are not followed."""
        found = await self.look(path)
        if found is None:
            return
        if not found.is_directory:
            await self.remove_if_there(path)
            return
        if found.mode & OWN_DIRECTORY_MODE != OWN_DIRECTORY_MODE:
            await self.set_attributes(path, mode=OWN_DIRECTORY_MODE)
        inside = await self.names(path) or {}
        await bounded(
            self.link.files_at_once,
            [
                _later(self.remove_if_there, path + b"/" + name)
                for name, each in inside.items()
                if not each.is_directory and each.mode
            ],
        )
        for name, each in inside.items():
            if each.is_directory or not each.mode:
                await self.remove_tree(path + b"/" + name)
        session = await self.link.session()
        with suppress(FileNotFoundError):
            await session.status(wire.RMDIR, wire.text(path))

    async def free_space(self) -> tuple[int, int] | None:
        """Bytes free and bytes in all of the library's file system; None: it is not told."""
        found = await self._file_system()
        return None if found is None else (found.free_bytes, found.total_bytes)

    async def _file_system(self) -> FileSystem | None:
        session = await self.link.session()
        return await session.file_system(self.root)

    async def explained(self, err: OSError) -> OSError:
        """What is behind a failure of which the server says nothing, as far as can be told."""
        if not isinstance(err, FailureError):
            return err
        with suppress(OSError):
            found = await self._file_system()
            if found is not None and found.is_read_only:
                return OSError(errno.EROFS, "its file system is read-only")
            if found is not None and found.free_bytes < _ODD_FREE_BYTES:
                return OSError(errno.ENOSPC, "no space left on its file system")
        return OSError(errno.EIO, "the server says only that it failed")


async def open_looked_at(session: SftpSession, path: bytes) -> tuple[bytes, Attributes]:
    """Opens a regular file to read it; the look goes out with the open, not before it.

    Raises:
        OSError: it is not there, is a link or no file, or cannot be opened.
    """
    opening = asyncio.ensure_future(session.open(path, wire.READING))
    try:
        found = await session.lstat(path)
        require_file(found)
    except BaseException:
        with suppress(OSError, StorageError):
            session.let_go(await opening)
        raise
    return await opening, found


def require_directory(found: Attributes) -> None:
    """Raises `OSError` for what is no directory itself."""
    if found.is_link:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not found.is_directory:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def require_file(found: Attributes) -> None:
    """Raises `OSError` for what is no regular file itself."""
    if found.is_link:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if found.is_directory:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not found.is_file:
        raise OSError(errno.EINVAL, "not a regular file")


def _later(call: Callable[[bytes], Awaitable[None]], path: bytes) -> Callable[[], Awaitable[None]]:
    return lambda: call(path)
