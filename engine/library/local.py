"""A library in a directory of this host: a disk, a mounted share, anything with a path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from engine.library import layout
from engine.library.beneath import (
    exists,
    make_durable_directory,
    names_in,
    open_directory,
    open_for_reading,
    open_root,
    remove_tree,
    unlink_if_there,
)
from engine.library.blame import on_destination, on_source
from engine.library.interface import LibraryIdentity, Place, Probe
from engine.library.journal import boot_id
from engine.library.local_partial import PartialJob, open_copy
from engine.library.local_reader import LocalJobReader, checked_header, published_entries
from engine.library.local_trying import try_out
from engine.library.local_writer import LocalJobWriter, start_writer
from engine.library.manifest import manifest_digest
from engine.library.marker import Marker
from engine.library.syscalls import rename_new
from engine.library.trying import Step
from engine.model.entries import FileEntry, ManifestHeader
from engine.model.errors import LibraryOffline, ManifestError, NotFoundError
from engine.model.names import shown


def _go_on() -> None:
    """The checkpoint of a caller that never stops."""


class LocalLibrary:
    """`Library` below a path. Holds nothing open between calls, so that it can be unmounted.

    Args:
        name: of the library in the site file.
        root: its directory; it is never made here: an unmounted disk has none.
        uuid: what its marker must say; empty while that is not known.
        commcell_id: whose library it is.
        boot: tells one boot of this host from another.
    """

    def __init__(
        self,
        name: str,
        root: bytes,
        *,
        uuid: str,
        commcell_id: str,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        self._name = name
        self._root = root
        self._marker = Marker(name, root, uuid, commcell_id)
        self._boot = boot

    @property
    def name(self) -> str:
        """See `Library`."""
        return self._name

    def initialise(self, identity: LibraryIdentity) -> LibraryIdentity:
        """See `Library`."""
        with self._opened() as root_fd, on_destination("write the marker of", self._root):
            found = self._marker.read(root_fd)
            if found is None:
                self._marker.write(root_fd, identity)
                found = self._marker.require(root_fd)
            os.fsync(root_fd)  # also when another service wrote it
        self._marker.uuid = found.uuid
        return found

    def probe(self) -> Probe:
        """See `Library`."""
        with self._opened() as root_fd, self._in_use("look at", self._root):
            identity = self._marker.require(root_fd)
            found = os.statvfs(root_fd)
        return Probe(
            identity=identity,
            free_bytes=found.f_bavail * found.f_frsize,
            # As `df` reckons: what only root may fill is no room for copies, and not used either.
            total_bytes=(found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize,
        )

    def published(self, place: Place) -> list[int]:
        """See `Library`."""
        with self._copy(place) as copy_fd:
            if copy_fd is None:
                return []
            with self._in_use("list", self._where(place)):
                return sorted(
                    job_id
                    for job_id in _job_ids(copy_fd)
                    if exists(layout.job_directory(job_id) + b"/" + layout.MANIFEST, parent=copy_fd)
                )

    def partial(self, place: Place) -> list[int]:
        """See `Library`."""
        with self._copy(place) as copy_fd:
            if copy_fd is None or not exists(layout.PARTIAL, parent=copy_fd):
                return []
            with self._in_use("list", self._where(place)):
                partials_fd = open_directory(layout.PARTIAL, parent=copy_fd)
                try:
                    return sorted(_job_ids(partials_fd))
                finally:
                    os.close(partials_fd)

    def occupied_bytes(self, place: Place, job_id: int) -> int:
        """See `Library`."""
        name = b"/".join((layout.PARTIAL, layout.job_directory(job_id), layout.DATA))
        with self._copy(place) as copy_fd:
            if copy_fd is None or not exists(name, parent=copy_fd):
                return 0
            with self._in_use("look at", self._where(place, job_id)):
                return _occupied_bytes(name, copy_fd)

    def read_job(self, place: Place, job_id: int) -> LocalJobReader:
        """See `Library`."""
        where = self._where(place, job_id)
        reader = LocalJobReader(self._open_job(place, job_id), where)
        if reader.header.backup_job_id != job_id:
            reader.close()
            raise ManifestError(
                f"the manifest of {shown(where)} is of backup job {reader.header.backup_job_id}",
                hint="somebody renamed or swapped job copies there: look at them",
            )
        return reader

    def write_job(
        self,
        place: Place,
        header: ManifestHeader,
        *,
        source_key: str,
        checkpoint: Callable[[], None] = _go_on,
        replace: bool = False,
    ) -> LocalJobWriter:
        """See `Library`."""
        self._sweep_removed(place)
        partial = self._claim(place, header.backup_job_id, replace=replace)
        try:
            self._finish(partial, header)
            return start_writer(
                partial,
                header,
                source_key=source_key,
                boot_id=self._boot(),
                checkpoint=checkpoint,
            )
        except BaseException:
            partial.close()
            raise

    def manifest_digest(self, place: Place, job_id: int) -> bytes:
        """See `Library`."""
        where = self._where(place, job_id)
        job_fd = self._open_job(place, job_id)
        try:
            with (
                on_source("read the manifest of", where),
                open(open_for_reading(layout.MANIFEST, parent=job_fd), "rb") as stream,
            ):
                return manifest_digest(stream)
        finally:
            os.close(job_fd)

    def remove_job(self, place: Place, job_id: int) -> None:
        """See `Library`."""
        name, where = layout.job_directory(job_id), self._where(place, job_id)
        self._sweep_removed(place)
        with self._copy(place) as copy_fd, on_destination("remove", where):
            # One whose manifest is lost can only be removed, or made anew.
            if copy_fd is None or not exists(name, parent=copy_fd):
                raise self._missing(where)
            removed_fd = make_durable_directory(layout.REMOVED, parent=copy_fd)
            try:
                remove_tree(name, parent=removed_fd)
                rename_new(name, name, old_dir=copy_fd, new_dir=removed_fd)
                os.fsync(copy_fd)
                os.fsync(removed_fd)
                remove_tree(name, parent=removed_fd)
            finally:
                os.close(removed_fd)

    def try_out(self, *, is_marked: bool = True) -> list[Step]:
        """See `TriesOut`."""
        with self._opened() as root_fd:
            if is_marked:
                self._marker.require(root_fd)
            with on_destination("try out", self._root):
                return try_out(root_fd)

    def _claim(self, place: Place, job_id: int, *, replace: bool) -> PartialJob:
        with self._opened():  # says that it is offline in the words of this library
            return PartialJob.claim(self._root, self._marker, place, job_id, replace=replace)

    def _finish(self, partial: PartialJob, header: ManifestHeader) -> None:
        """Publishes what was killed between its manifest and its rename.

        Raises:
            DestinationExists: it is published now.
        """
        with on_destination("publish", partial.where):
            if not partial.is_new:  # here nobody believes it: what it speaks of was never synced
                unlink_if_there(layout.UNPROVEN, parent=partial.job_fd)
            if not exists(layout.MANIFEST, parent=partial.job_fd):
                return
            if not _is_complete(partial, header):
                os.unlink(layout.MANIFEST, dir_fd=partial.job_fd)
                os.fsync(partial.job_fd)
                return
            partial.require_in_place()
            partial.commit()
        raise partial.taken()

    def _sweep_removed(self, place: Place) -> None:
        """Finishes removals that were killed on their way."""
        with self._copy(place) as copy_fd, on_destination("sweep", self._where(place)):
            if copy_fd is not None and exists(layout.REMOVED, parent=copy_fd):
                removed_fd = open_directory(layout.REMOVED, parent=copy_fd)
                try:
                    for name in names_in(removed_fd):
                        if not _may_come_back(name, copy_fd):
                            remove_tree(name, parent=removed_fd)
                finally:
                    os.close(removed_fd)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            fd = open_root(self._root)
        except OSError as err:
            why = (err.strerror or str(err)).lower()
            raise LibraryOffline(
                f"library {self._name} at {shown(self._root)} is offline: {why}",
                hint="mount its disk; a new library needs its directory to be made first",
            ) from err
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _copy(self, place: Place) -> Iterator[int | None]:
        """The directory of a copy, below a root with the right marker."""
        with self._opened() as root_fd:
            self._marker.require(root_fd)
            with self._in_use("open", self._where(place)):
                copy_fd = open_copy(root_fd, place)
            try:
                yield copy_fd
            finally:
                if copy_fd is not None:
                    os.close(copy_fd)

    @contextmanager
    def _in_use(self, doing: str, where: bytes) -> Iterator[None]:
        """What fails in this block speaks against the library, not against any backup job."""
        try:
            yield
        except OSError as err:
            raise LibraryOffline(
                f"library {self._name} cannot be used: cannot {doing} {shown(where)}: "
                f"{(err.strerror or str(err)).lower()}",
                hint="look at the system log, and at owner and mode of its directories",
            ) from err

    def _open_job(self, place: Place, job_id: int) -> int:
        where = self._where(place, job_id)
        with self._copy(place) as copy_fd, on_source("open", where):
            name = layout.job_directory(job_id)
            manifest = name + b"/" + layout.MANIFEST
            if copy_fd is None or not exists(manifest, parent=copy_fd):
                is_there = copy_fd is not None and exists(name, parent=copy_fd)
                raise self._bare(where) if is_there else self._missing(where)
            return open_directory(name, parent=copy_fd)

    def _missing(self, where: bytes) -> NotFoundError:
        return NotFoundError(f"there is no {shown(where)} in library {self._name}")

    def _bare(self, where: bytes) -> NotFoundError:
        return NotFoundError(
            f"{shown(where)} in library {self._name} has no manifest: it is no job copy",
            hint="look at it; `auxtui recopy` has it made anew",
        )

    def _where(self, place: Place, job_id: int | None = None) -> bytes:
        parts = [*layout.directories_of(place)]
        if job_id is not None:
            parts.append(layout.job_directory(job_id))
        return b"/".join(parts)


def _may_come_back(name: bytes, copy_fd: int) -> bool:
    """True for what an unproven job copy was to take the place of; the next writer of it says which."""
    return any(
        exists(where + name + b"/" + layout.UNPROVEN, parent=copy_fd)
        for where in (b"", layout.PARTIAL + b"/")
    )


def _job_ids(fd: int) -> Iterator[int]:
    for name in names_in(fd):
        job_id = layout.job_id_of(name)
        if job_id is not None:
            yield job_id


def _occupied_bytes(name: bytes, parent: int) -> int:
    blocks = 0
    for _, _, files, fd in os.fwalk(name, dir_fd=parent):
        for file in files:
            with suppress(FileNotFoundError):  # its writer is at work
                blocks += os.stat(file, dir_fd=fd, follow_symlinks=False).st_blocks
    return blocks * 512


def _is_complete(partial: PartialJob, header: ManifestHeader) -> bool:
    """True when the manifest in a partial directory is valid, of this backup job, and has its data."""
    try:
        found = checked_header(partial.job_fd, partial.where)
        if found != header:
            return False
        return all(
            partial.has_file(entry.path, entry.size)
            for entry in published_entries(partial.job_fd, partial.where)
            if isinstance(entry, FileEntry)
        )
    except ManifestError:
        return False
