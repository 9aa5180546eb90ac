"""The directory of one unfinished job copy on the other host: claimed by a lock, published once.

The layout is that of a local library (docs/format.md); a copy that was made here can be read there.
"""

from __future__ import annotations

from contextlib import suppress

from engine.library import layout
from engine.library.interface import LibraryIdentity, Place
from engine.library.marker import MAX_MARKER_BYTES, Marker
from engine.library.sftp.far import FarSide
from engine.library.sftp.holding import HeldLock
from engine.library.sftp.together import gathered
from engine.model.errors import DestinationExists, LibraryOffline, StorageError


class FarMarker:
    """What the marker of a library must say.

    Args:
        far: the library.
        marker: which judges what stands there.
    """

    def __init__(self, far: FarSide, marker: Marker) -> None:
        self._far = far
        self.marker = marker

    async def read(self) -> LibraryIdentity | None:
        """The identity; None when there is no marker.

        Raises:
            LibraryOffline: there is no directory, it cannot be read, is damaged or another's.
        """
        try:
            text = await self._far.content(self._far.at(layout.MARKER), MAX_MARKER_BYTES)
            if text is None and not await self._far.is_there(self._far.root):
                raise self.marker.offline("no such file or directory", _ROOT_HINT)
        except OSError as err:
            why = (err.strerror or str(err)).lower()
            raise self.marker.offline(f"its marker cannot be read: {why}", _ROOT_HINT) from err
        return None if text is None else self.marker.judged(text)

    async def require(self) -> LibraryIdentity:
        """The identity; raises as `read`, also when there is no marker."""
        identity = await self.read()
        if identity is None:
            raise self.marker.absent()
        return identity


_ROOT_HINT = "mount its disk on that host; a new library needs its directory to be made first"


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
        policy, copy = layout.directories_of(place)
        name = layout.job_directory(job_id)
        self.far = far
        self._marker = marker
        self._replace = replace
        self._policy = far.at(policy)
        self._copy = far.at(policy, copy)
        self._partials = far.at(policy, copy, layout.PARTIAL)
        self._removed = far.at(policy, copy, layout.REMOVED)
        self._name = name
        self.where = b"/".join((policy, copy, name))
        """For messages."""
        self.job = far.at(policy, copy, layout.PARTIAL, name)
        """Directory of the job copy."""
        self.data = self.job + b"/" + layout.DATA
        """Directory of its files."""
        self.published = far.at(policy, copy, name)
        """Where it will be."""
        self._lock = HeldLock(far, self.job + layout.LOCK_SUFFIX, self.where)
        self._is_held = False
        self.is_fresh = False
        """Made by this claim: nothing of an earlier try is in it."""

    async def claim(self) -> None:
        """Makes or opens the directory, for this writer alone.

        Raises:
            DestinationExists: the job copy is published already.
            DestinationWrite: another writer is at work on it.
            OSError, LibraryOffline: it cannot be made.
        """
        await self._marker.require()
        await self.far.make_durable_directory(self._policy, self._copy, self._partials)
        await self._lock.take()
        self._is_held = True
        await self._look_for_published()
        await self._open_job()

    async def close(self) -> None:
        """Gives the claim up; what is in the directory stays.

        Never raises, and waits for no host that is away: the lock can be taken over.
        """
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
        names = (layout.JOURNAL, layout.MANIFEST)
        both = [each for name in names for each in (name, name + layout.ASIDE_SUFFIX)]
        await gathered([self.far.remove_if_there(self.job + b"/" + each) for each in both])
        await self.far.sync_directory(self.job)

    async def remove(self) -> None:
        """Removes the directory."""
        await self.forget_proof()
        await self.far.remove_tree(self.job)
        await self.far.sync_directory(self._partials)

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

    async def commit(self) -> None:
        """Publishes: removes the journal, renames the directory, syncs both parents.

        Manifest, data and directories must be durable.

        Raises:
            DestinationExists: something is there already.
            OSError: it is not published, or not durably.
        """
        await self.far.remove_if_there(self.job + b"/" + layout.JOURNAL)
        await self.far.sync_directory(self.job)
        try:
            await self.far.rename_new(self.job, self.published)
        except FileExistsError as err:
            if not self._replace:
                raise self.taken() from err
            await self._change_places()
        await self._sync_parents()
        if self._replace:
            await self._drop_replaced()

    async def _change_places(self) -> None:
        """Puts the new one where the old one is; both stay on the media until that is durable."""
        removed = self._removed + b"/" + self._name
        await self.far.make_durable_directory(self._removed)
        await self.far.remove_tree(removed)
        await self.far.rename_new(self.published, removed)
        await self.far.sync_directory(self._removed)
        # Killed here, the next writer finds the new one complete and publishes it.
        await self.far.rename_new(self.job, self.published)

    async def _drop_replaced(self) -> None:
        """Removes what was replaced, then the mark that told it from the one that is published."""
        await self.far.remove_tree(self._removed + b"/" + self._name)
        await self.far.remove_if_there(self.published + b"/" + layout.REPLACES)
        await self.far.sync_directory(self.published)

    async def _look_for_published(self) -> None:
        """Finishes what was killed after it took its place.

        Raises:
            DestinationExists: it is published, and nobody asked for another.
        """
        if not await self.far.is_there(self.published):
            return
        took_place = await self.far.is_there(self.published + b"/" + layout.REPLACES)
        if self._replace and not took_place:
            return
        await self._sync_parents()  # its rename may have come without this, before a crash
        if took_place:
            await self._drop_replaced()
        raise self.taken()

    async def _sync_parents(self) -> None:
        await gathered([self.far.sync_directory(one) for one in (self._copy, self._partials)])

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
