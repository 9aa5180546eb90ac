"""The directory of one unfinished job copy on the other host: claimed by a lock, published once.

The layout is that of a local library (docs/format.md); a copy that was made here can be read there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from engine.library import layout
from engine.library.beneath import OWN_DIRECTORY_MODE, OWN_FILE_MODE
from engine.library.interface import Place
from engine.library.sftp import wire
from engine.library.sftp.far import NEW_FILE, FarSide, require_directory
from engine.library.sftp.holding import HeldLock, sweep_locks
from engine.library.sftp.marking import FarMarker
from engine.library.sftp.places import Places
from engine.library.sftp.session import SftpSession
from engine.library.sftp.together import gathered
from engine.library.sftp.unproven import Unproven
from engine.library.sftp.wire import Attributes
from engine.model.errors import DestinationExists, LibraryOffline, StorageError


class Parents(NamedTuple):
    """The directories around a job copy, open on one session to be synced."""

    session: SftpSession
    job: bytes
    copy: bytes
    partials: bytes

    def close(self) -> None:
        """Closes them; nobody waits for that."""
        for handle in self[1:]:
            self.session.let_go(handle)


class Opened(NamedTuple):
    """What is open of a directory that was just made."""

    session: SftpSession
    journal: bytes
    job: bytes
    partials: bytes


class FarPartial:
    """A claimed `.partial/<id>`; nobody else writes there until `close`.

    Args:
        far: the library.
        marker: of it.
        place: policy and copy.
        job_id: of the backup job.
        replace: the one that is published is no hindrance; it goes at the publication.
    """

    def __init__(
        self, far: FarSide, marker: FarMarker, place: Place, job_id: int, *, replace: bool
    ) -> None:
        self.far = far
        self._marker = marker
        self._replace = replace
        self._places = places = Places(far, place, job_id)
        self.where = places.where
        """For messages."""
        self.job = places.job
        """Directory of the job copy."""
        self.data = self.job + b"/" + layout.DATA
        """Directory of its files."""
        self.published = places.published
        """Where it will be."""
        self._unproven = Unproven(
            far,
            job=self.job,
            published=self.published,
            removed=places.replaced,
            where=self.where,
        )
        self._lock = HeldLock(far, self.job + layout.LOCK_SUFFIX, self.where)
        self._is_held = False
        self.is_fresh = False
        """Made by this claim: nothing of an earlier try is in it."""
        self.opened: Opened | None = None
        """For the journal that begins in it, which closes it; None: it opens what it needs."""

    async def claim(self) -> None:
        """Makes or opens the directory, for this writer alone.

        Raises:
            DestinationExists: the job copy is published already.
            DestinationWrite: another writer is at work on it.
            OSError, LibraryOffline: it cannot be made.
        """
        await self.far.link.session()
        self.far.link.expect_data()
        if self._places.partials in self.far.link.known.places:
            announced = await self._announce()
        else:
            announced = await self._prepare()
        await self._lock.take(announced)
        self._is_held = True
        if self._replace or not await self._make(announced[0]):
            await self._look_for_published()
            await self._open_job()

    async def _announce(self) -> tuple[SftpSession, bytes]:
        """Claims the lock while the library is looked at: both must be well."""
        try:
            return await self._announced_with(self._look_around())
        except BaseException:
            self.far.link.known.places.discard(self._places.partials)
            raise

    async def _look_around(self) -> None:
        above = self._places.above
        looks = [self.far.look(path) for path in above]
        _, *found = await gathered([self._marker.require_still(), *looks])
        for each in found:
            require_directory(each or Attributes())

    async def _announced_with(self, other: Coroutine[Any, Any, None]) -> tuple[SftpSession, bytes]:
        """Announces the lock while something else is done; taken back where that fails."""
        announcing = asyncio.ensure_future(self._lock.announce())
        try:
            await gathered([other, announcing])
        except BaseException:
            if not announcing.exception() and self.far.link.is_open:
                with suppress(OSError, StorageError):
                    await self._lock.withdraw()
            raise
        return announcing.result()

    async def _prepare(self) -> tuple[SftpSession, bytes]:
        """What the first job copy of a place does on a line: directories, and what was left behind.

        Everything is looked at together; nothing is changed before the library is the right one.
        """
        above = self._places.above
        _, removed, unfinished, *there = await gathered(
            [
                self._marker.require(),
                self.far.names(self._places.removed),
                self.far.names(self._places.partials),
                *(self.far.look(path) for path in above),
            ]
        )
        await gathered(
            [
                self._places.sweep_removed(removed or ()),
                sweep_locks(self.far, self._places.partials, self.where, unfinished or ()),
            ]
        )
        announced = await self._announced_with(await self.far.make_directories(above, there))
        self.far.link.known.places.add(self._places.partials)
        return announced

    async def sweep_removed(self) -> None:
        """Finishes removals that were killed on their way."""
        await self._places.sweep_removed(await self.far.names(self._places.removed) or ())

    async def _make(self, session: SftpSession) -> bool:
        """Makes the directory and opens what its journal needs, all in one go.

        Each is harmless where one before it has failed: nobody else has the lock.

        Returns:
            False: that cannot be done at once, or something is there already.
        """
        if not self.far.is_in_order(session):
            return False
        journal = self.job + b"/" + layout.JOURNAL
        mode = wire.attributes(mode=OWN_DIRECTORY_MODE)
        published, *made = await session.replies(
            (wire.LSTAT, wire.text(self.published)),
            (wire.MKDIR, wire.text(self.job) + mode),
            (wire.MKDIR, wire.text(self.data) + mode),
            session.opening(journal, NEW_FILE, OWN_FILE_MODE),
            session.opening(self.job, wire.READING),
            session.opening(self._places.partials, wire.READING),
        )
        handles = [each.text() for each in made[2:] if each.kind == wire.HANDLE]
        if published.is_refusal and not any(each.is_refusal for each in made):
            self.is_fresh, self.opened = True, Opened(session, *handles)
            return True
        for handle in handles:
            session.let_go(handle)
        if not made[0].is_refusal:  # published before the lock was ours, or there is no room
            await self.far.remove_tree(self.job)
        return False

    async def close(self) -> None:
        """Gives the claim up; what is in the directory stays.

        Never raises, and waits for no host that is away: the lock can be taken over.
        """
        opened, self.opened = self.opened, None
        if opened is not None:
            for handle in opened[1:]:
                opened.session.let_go(handle)
        if self._is_held:
            self._is_held = False
            if self.far.link.is_open:
                with suppress(OSError, StorageError):
                    await self._lock.release()
            self._lock.forget()

    async def check_held(self) -> None:
        """Proves that nobody has taken the claim; raises as `HeldLock.check`."""
        await self._lock.check()

    async def wipe(self) -> None:
        """Empties the directory: what proves something first, then what was proven."""
        if self.is_fresh:
            return
        await self.forget_proof()
        await self.far.remove_tree(self.job)
        await self._open_job()

    async def forget_proof(self) -> None:
        """Removes journal and manifest, durable before anything that they speak of can go."""
        names = (layout.JOURNAL, layout.MANIFEST, layout.UNPROVEN)
        both = [each for name in names for each in (name, name + layout.ASIDE_SUFFIX)]
        await gathered([self.far.remove_if_there(self.job + b"/" + each) for each in both])
        await self.far.sync_directory(self.job)

    async def remove(self) -> None:
        """Removes the directory."""
        await self.forget_proof()
        await self.far.remove_tree(self.job)
        await self.far.sync_directory(self._places.partials)

    async def require_in_place(self) -> None:
        """Proves that the library is still this one, and the claim still ours.

        Raises:
            LibraryOffline: it is not.
            DestinationWrite: another writer has taken the claim.
        """
        _, is_there, _ = await gathered(
            [self._marker.require(), self.far.is_there(self.data), self.check_held()]
        )
        if not is_there:
            raise LibraryOffline(
                f"cannot publish {self.where.decode()}: its library was unmounted or replaced",
                hint="mount it again; the copy then goes on",
            )

    async def put_in_place(self, aside: bytes, parents: Parents | None) -> None:
        """Makes the file that was put aside the manifest, durable on return; raises `OSError`.

        On a server that cannot sync it gets its name when the job copy was proven in its last place.
        """
        place = self.job + b"/" + layout.MANIFEST
        if parents is None:
            if not await self._syncs():
                place = self.job + b"/" + layout.UNPROVEN
            await self.far.replace(aside, place)
            await self.far.sync_directory(self.job)
            return
        rename = wire.text(wire.POSIX_RENAME) + wire.text(aside) + wire.text(place)
        await gathered(
            [
                parents.session.in_order(
                    (wire.EXTENDED, rename), parents.session.syncing(parents.job)
                ),
                self.check_held(),
            ]
        )

    async def commit(
        self, parents: Parents | None, kept: Callable[[], Awaitable[None]], manifest: bytes
    ) -> None:
        """Publishes: removes the journal, renames the directory, syncs both parents.

        Manifest, data and directories must be durable. On a server that cannot sync, everything is
        looked for in its last place, and the manifest gets its name when it is there: before that
        nobody takes the directory for a job copy, whenever the line is lost.

        Args:
            parents: open; None: one step after the other.
            kept: raises where a server without a sync does not have what was renamed: taken back then.
            manifest: all of it.

        Raises:
            DestinationExists: something is there already.
            DestinationWrite: the server has lost something.
            OSError: it is not published, or not durably.
        """
        if parents is not None and not self._replace:
            await self._commit_at_once(parents)
            return
        await self.far.remove_if_there(self.job + b"/" + layout.JOURNAL)
        await self.far.sync_directory(self.job)
        try:
            await self.far.rename_new(self.job, self.published)
        except FileExistsError as err:
            if not self._replace:
                raise self.taken() from err
            await self._places.change()
        await self._places.sync_parents()
        if not await self._syncs():
            await self._unproven.prove(kept, manifest)
        if self._replace:
            await self._places.drop_replaced()

    async def _syncs(self) -> bool:
        return (await self.far.link.session()).has(wire.FSYNC)

    async def _commit_at_once(self, parents: Parents) -> None:
        """The same steps in the same order, sent together.

        The manifest is in place and durable. So a rename that comes although the journal was not
        removed publishes a whole job copy with a needless file; a sync that fails is told, and the
        next writer syncs again; and the lock, which was ours a moment ago, is given up in any case.
        """
        journal = self.job + b"/" + layout.JOURNAL
        removed, *synced = await parents.session.replies(
            (wire.REMOVE, wire.text(journal)),
            parents.session.syncing(parents.job),
            (wire.RENAME, wire.text(self.job) + wire.text(self.published)),
            parents.session.syncing(parents.copy),
            parents.session.syncing(parents.partials),
            self._lock.removal,
        )
        self._is_held = False
        self._lock.forget()
        if synced[1].is_refusal and await self.far.is_there(self.published):
            raise self.taken()
        with suppress(FileNotFoundError):
            parents.session.expect(removed, wire.STATUS)
        try:
            for reply in synced[:-1]:
                parents.session.expect(reply, wire.STATUS)
        except OSError as err:
            raise await self.far.explained(err) from err

    async def open_parents(self) -> Parents | None:
        """Opens the directories that are synced at the publication; None: they are opened in turn.

        Raises:
            OSError: one cannot be opened.
        """
        session = await self.far.link.session()
        if not self.far.is_in_order(session) or not session.has(wire.POSIX_RENAME):
            return None
        paths = (self.job, self._places.copy, self._places.partials)
        handles = await gathered([session.open(path, wire.READING) for path in paths])
        return Parents(session, *handles)

    async def _look_for_published(self) -> None:
        """Finishes what was killed after it took its place.

        Raises:
            DestinationExists: it is published, and nobody asked for another.
        """
        if not await self._unproven.undo():
            return
        took_place = await self.far.is_there(self.published + b"/" + layout.REPLACES)
        if self._replace and not took_place:
            return
        await self._places.sync_parents()  # its rename may have come without this, before a crash
        if took_place:
            await self._places.drop_replaced()
        if not self._replace:
            await self._remove_left()
        raise self.taken()

    async def _remove_left(self) -> None:
        """What a line that was lost left beside the published one, unless it is to replace that."""
        inside = await self.far.names(self.job)
        if inside is not None and layout.REPLACES not in inside:
            await self.remove()

    async def _open_job(self) -> None:
        self.is_fresh = await self.far.make_directory(self.job)
        mark = self.job + b"/" + layout.REPLACES
        if not self._replace:
            if not self.is_fresh:
                await self.far.remove_if_there(mark)
        elif not await self.far.is_there(mark):
            session = await self.far.link.session()
            await session.sync_and_close(await self.far.create(session, mark))
        await self.far.make_durable_directory(self.job, self.data)

    def taken(self) -> DestinationExists:
        """The error that says that the job copy is published already."""
        return DestinationExists(
            f"{self.where.decode()} is there already",
            hint="it was published before; look at it with `auxtui copies`",
        )
