"""The directory of one unfinished job copy: claimed by a lock, held by descriptors, published once.

<root>/<policy>/<copy>/.partial/<id>.lock   held with flock while one writer is at work
<root>/<policy>/<copy>/.partial/<id>/       data, journal, at last the manifest
<root>/<policy>/<copy>/<id>/                the same directory, renamed
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from engine.library import layout
from engine.library.beneath import (
    OWN_FILE_MODE,
    Parents,
    create_file,
    directory,
    exists,
    is_at,
    make_directory,
    make_durable_directory,
    names_in,
    open_directory,
    open_root,
    remove_tree,
    unlink_if_there,
)
from engine.library.blame import on_destination
from engine.library.interface import Place
from engine.library.marker import Marker
from engine.library.syscalls import exchange, rename_new
from engine.model.errors import DestinationExists, DestinationWrite, LibraryOffline
from engine.model.names import RelPath

_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class PartialJob:
    """A claimed `.partial/<id>`; nobody else writes there until `close`.

    Args:
        root_path: of the library.
        marker: what its marker must say.
        place: policy and copy.
        job_id: of the backup job.
        replace: the one that is published is no hindrance; it goes at the publication.
    """

    def __init__(
        self, root_path: bytes, marker: Marker, place: Place, job_id: int, *, replace: bool
    ) -> None:
        self._root_path = root_path
        self._marker = marker
        self._policy, self._copy = layout.directories_of(place)
        self._name = layout.job_directory(job_id)
        self._replace = replace
        self._held = ExitStack()
        self._job_held = ExitStack()
        self.where = b"/".join((self._policy, self._copy, self._name))
        """For messages."""
        self.job_fd = -1
        """Directory of the job copy."""
        self.data_fd = -1
        """Directory of its files."""
        self.is_new = False
        """Its directory was made by this claim: nothing is in it."""

    @classmethod
    def claim(
        cls, root_path: bytes, marker: Marker, place: Place, job_id: int, *, replace: bool = False
    ) -> PartialJob:
        """Makes or opens the directory, for this writer alone.

        Raises:
            DestinationExists: the job copy is published already.
            DestinationWrite: another writer is at work on it.
            DestinationError, LibraryOffline: it cannot be made.
        """
        partial = cls(root_path, marker, place, job_id, replace=replace)
        try:
            partial._claim()
        except BaseException:
            partial.close()
            raise
        return partial

    def wipe(self) -> None:
        """Empties the directory: what proves something first, then what was proven."""
        with on_destination("empty", self.where):
            self.forget_proof()
            self._job_held.close()
            remove_tree(self._name, parent=self._partials_fd)
            self._open_job()

    def forget_proof(self) -> None:
        """Removes journal and manifest, durable before anything that they speak of can go.

        Raises:
            OSError: they cannot be removed.
        """
        for name in (layout.JOURNAL, layout.MANIFEST, layout.UNPROVEN):
            for each in (name, name + layout.ASIDE_SUFFIX):
                unlink_if_there(each, parent=self.job_fd)
        os.fsync(self.job_fd)

    def remove(self) -> None:
        """Removes the directory."""
        with on_destination("remove", self.where):
            self.forget_proof()
            self._job_held.close()
            remove_tree(self._name, parent=self._partials_fd)
            os.fsync(self._partials_fd)

    def require_in_place(self) -> None:
        """Proves that what is held is still what the library's path leads to, marker included.

        A disk that was unmounted lazily, or a directory that was moved away, still takes writes
        through descriptors that are held; nobody would ever find them there.

        Raises:
            LibraryOffline: it is not.
        """
        chain = (
            (self._policy, self._root_fd, self._policy_fd),
            (self._copy, self._policy_fd, self._copy_fd),
            (layout.PARTIAL, self._copy_fd, self._partials_fd),
            (self._name, self._partials_fd, self.job_fd),
            (layout.DATA, self.job_fd, self.data_fd),
        )
        self._marker.require(self._root_fd)
        if not self._is_root_in_place() or not all(
            is_at(name, held, parent=parent) for name, parent, held in chain
        ):
            raise LibraryOffline(
                f"cannot publish {self.where.decode()}: its library was unmounted or replaced",
                hint="mount it again; the copy then goes on",
            )

    def commit(self) -> None:
        """Publishes: removes the journal, renames the directory, syncs both parents.

        Manifest, data and directories must be durable.

        Raises:
            DestinationExists: something is there already.
            OSError: it is not published, or not durably.
        """
        unlink_if_there(layout.JOURNAL, parent=self.job_fd)
        os.fsync(self.job_fd)
        try:
            rename_new(self._name, self._name, old_dir=self._partials_fd, new_dir=self._copy_fd)
        except FileExistsError as err:
            if not self._replace:
                raise self.taken() from err
            self._change_places()
        os.fsync(self._copy_fd)
        os.fsync(self._partials_fd)
        if self._replace:
            self._drop_replaced()

    def _change_places(self) -> None:
        """Puts the new one where the old one is; both stay on the media until that is durable."""
        if exchange(self._name, one_dir=self._partials_fd, other_dir=self._copy_fd):
            return
        removed_fd = make_durable_directory(layout.REMOVED, parent=self._copy_fd)
        try:
            remove_tree(self._name, parent=removed_fd)
            rename_new(self._name, self._name, old_dir=self._copy_fd, new_dir=removed_fd)
            os.fsync(removed_fd)
        finally:
            os.close(removed_fd)
        # Killed here, the next writer finds the new one complete and publishes it.
        rename_new(self._name, self._name, old_dir=self._partials_fd, new_dir=self._copy_fd)

    def _drop_replaced(self) -> None:
        """Removes what was replaced, then the mark that told it from the one that is published."""
        if not exists(self._name + b"/" + layout.REPLACES, parent=self._partials_fd):
            remove_tree(self._name, parent=self._partials_fd)
            os.fsync(self._partials_fd)
        if exists(layout.REMOVED, parent=self._copy_fd):
            with directory(layout.REMOVED, parent=self._copy_fd) as removed_fd:
                remove_tree(self._name, parent=removed_fd)
        with directory(self._name, parent=self._copy_fd) as published_fd:
            unlink_if_there(layout.REPLACES, parent=published_fd)
            os.fsync(published_fd)

    def has_file(self, path: RelPath, size: int) -> bool:
        """True when a regular file of this size is there.

        Raises:
            OSError: it cannot be looked at.
        """
        try:
            with Parents(self.data_fd) as parents:
                parent, name = parents.of(path)
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def close(self) -> None:
        """Gives the claim up; what is in the directory stays."""
        self._job_held.close()
        self._held.close()

    def _claim(self) -> None:
        with on_destination("prepare", self.where):
            self._root_fd = self._hold(open_root(self._root_path))
            self._marker.require(self._root_fd)
            self._policy_fd = self._hold(make_durable_directory(self._policy, parent=self._root_fd))
            self._copy_fd = self._hold(make_durable_directory(self._copy, parent=self._policy_fd))
            self._partials_fd = self._hold(
                make_durable_directory(layout.PARTIAL, parent=self._copy_fd)
            )
            self._sweep_locks()
            self._held.enter_context(locked(self._name, self._partials_fd, self.where))
            self._look_for_published()
            self._open_job()

    def _look_for_published(self) -> None:
        """Finishes what was killed after it took its place.

        Raises:
            DestinationExists: it is published, and nobody asked for another.
        """
        self._take_back_unproven()
        if not exists(self._name, parent=self._copy_fd):
            return
        took_place = exists(self._name + b"/" + layout.REPLACES, parent=self._copy_fd)
        if self._replace and not took_place:
            return
        os.fsync(self._copy_fd)  # its rename may have come without this, before a crash
        if took_place:
            os.fsync(self._partials_fd)
            self._drop_replaced()
        raise self.taken()

    def _take_back_unproven(self) -> None:
        """What a server without a sync left unproven is unfinished, and what it was to replace is back.

        As `engine.library.sftp.unproven` does it: the disk may have changed hosts since.
        """
        is_there = exists(self._name, parent=self._copy_fd)
        unproven = self._name + b"/" + layout.UNPROVEN
        if is_there:
            manifest = self._name + b"/" + layout.MANIFEST
            if exists(manifest, parent=self._copy_fd) or not exists(unproven, parent=self._copy_fd):
                return
            remove_tree(self._name, parent=self._partials_fd)
            rename_new(self._name, self._name, old_dir=self._copy_fd, new_dir=self._partials_fd)
        elif not exists(unproven, parent=self._partials_fd):
            return
        replaced = layout.REMOVED + b"/" + self._name
        mark = self._name + b"/" + layout.REPLACES
        if exists(mark, parent=self._partials_fd) and exists(replaced, parent=self._copy_fd):
            with directory(layout.REMOVED, parent=self._copy_fd) as removed_fd:
                rename_new(self._name, self._name, old_dir=removed_fd, new_dir=self._copy_fd)
        os.fsync(self._copy_fd)
        os.fsync(self._partials_fd)

    def _open_job(self) -> None:
        self.job_fd, self.is_new = make_directory(self._name, parent=self._partials_fd)
        self._job_held.callback(os.close, self.job_fd)
        os.fsync(self._partials_fd)
        self._mark()
        self.data_fd = make_durable_directory(layout.DATA, parent=self.job_fd)
        self._job_held.callback(os.close, self.data_fd)

    def _mark(self) -> None:
        """Tells what replaces from what is replaced; synced with the data directory."""
        if not self._replace:
            unlink_if_there(layout.REPLACES, parent=self.job_fd)
        elif not exists(layout.REPLACES, parent=self.job_fd):
            fd = create_file(layout.REPLACES, parent=self.job_fd)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def _hold(self, fd: int) -> int:
        self._held.callback(os.close, fd)
        return fd

    def taken(self) -> DestinationExists:
        """The error that says that the job copy is published already."""
        return DestinationExists(
            f"{self.where.decode()} is there already",
            hint="it was published before; look at it with `auxtui copies`",
        )

    def _is_root_in_place(self) -> bool:
        try:
            fd = open_root(self._root_path)
        except OSError:
            return False
        try:
            found, held = os.fstat(fd), os.fstat(self._root_fd)
            return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)
        finally:
            os.close(fd)

    def _sweep_locks(self) -> None:
        """Removes lock files that a killed writer left behind; one that is held stays.

        So does what is no lock of ours: it is in the way of nobody but its own backup job.
        """
        for name in names_in(self._partials_fd):
            job = name.removesuffix(layout.LOCK_SUFFIX)
            if job == name or not _is_file(name, self._partials_fd):
                continue
            if layout.job_id_of(job) is None or exists(job, parent=self._partials_fd):
                continue
            try:
                with locked(job, self._partials_fd, self.where):
                    continue
            except (DestinationWrite, PermissionError):
                continue


def _is_file(name: bytes, parent: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:  # another sweep was faster
        return False


@contextmanager
def locked(name: bytes, partials_fd: int, where: bytes) -> Iterator[None]:
    """Holds the lock of one job copy for a block; its file goes with it.

    Raises:
        DestinationWrite: another writer holds it.
        OSError: this file system has no locks.
    """
    lock = name + layout.LOCK_SUFFIX
    while True:
        fd = os.open(lock, _LOCK_FLAGS, OWN_FILE_MODE, dir_fd=partials_fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(lock, fd, parent=partials_fd):  # else its holder just removed it
                break
        except OSError as err:
            os.close(fd)
            if err.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise DestinationWrite(
                f"cannot write {where.decode()}: another auxtui is writing it",
                hint="two services use this library: stop one of them",
            ) from err
        os.close(fd)
    try:
        yield
    finally:
        with suppress(OSError):  # a lock file that stays locks nothing, the next writer takes it
            os.unlink(lock, dir_fd=partials_fd)
        os.close(fd)


def open_copy(root_fd: int, place: Place) -> int | None:
    """The directory of a copy; None when nothing was ever written to it.

    Raises:
        OSError: it cannot be opened.
    """
    policy, copy = layout.directories_of(place)
    try:
        policy_fd = open_directory(policy, parent=root_fd)
    except FileNotFoundError:
        return None
    try:
        return open_directory(copy, parent=policy_fd)
    except FileNotFoundError:
        return None
    finally:
        os.close(policy_fd)
