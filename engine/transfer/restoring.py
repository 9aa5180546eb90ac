"""Restore of a backup job below a directory: checked while read, written aside, then named.

What is there already is refused as a whole before anything is written.
"""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from engine.library.beneath import Parents
from engine.library.interface import JobReader
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    SymlinkEntry,
)
from engine.model.errors import AuxError, SourceError, SourceRead
from engine.model.names import RelPath, shown
from engine.transfer.cancel import CancelToken
from engine.transfer.copied_file import opened_for_reading, spans_of
from engine.transfer.decoding import reads_in_order
from engine.transfer.flow import Lane
from engine.transfer.hops import Abandoned
from engine.transfer.pool import in_thread, work_off
from engine.transfer.progress import ReadProgress
from engine.transfer.reading import (
    ReadBatch,
    ReadChunk,
    ReadFile,
    Reading,
    cut,
    cut_in_order,
    progress_of,
    read_batch,
    read_chunk,
    read_opened,
)
from engine.transfer.salvage import LargeFile, blank, blank_from, keep_rest, told
from engine.transfer.target import RestoreTarget, SmallFile
from engine.transfer.throttle import Throttle

KEPT_AT_MOST = 150_000  # entries and chunks between the look and the restore: about 60 MiB
RESTORE_STREAMS = 3  # of small files one makes and names, one is read, and one waits for its sync
UNNAMED_AT_ONCE = 2048  # small files that one stream holds open at most, for one sync
DESCRIPTOR_SHARE = 8  # and at most this part of what the process may have open

Only = Callable[[RelPath], bool]
Beside = Callable[[RestoreTarget], None]


def _nothing(_target: RestoreTarget) -> None:
    """Most backup jobs are their entries."""


def _unnamed_at_once() -> int:
    """How many small files one stream may hold open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return UNNAMED_AT_ONCE
    return max(1, min(UNNAMED_AT_ONCE, limit // DESCRIPTOR_SHARE))


class FailedPath(NamedTuple):
    """A file or link that was not restored, and why."""

    path: RelPath
    error: AuxError


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreResult:
    """What a restore did."""

    files: int
    directories: int
    links: int
    size_bytes: int
    refused: tuple[RelPath, ...] = ()
    """Taken already in the target; when there are any, nothing was written."""
    is_stuck: bool = False
    """One of them cannot be replaced: a directory, or what is where a directory must be."""
    failed: tuple[FailedPath, ...] = ()
    """Damaged or unreadable in this copy; everything else was restored."""
    rests: int = 0
    """Of the failed ones: how many have left what is right of them, under a name that says so."""
    rest_notes: Mapping[RelPath, str] = field(default_factory=dict)
    """What became of that, by the path of the failed one."""
    warnings: tuple[str, ...] = ()

    def told(self, failed: FailedPath) -> AuxError:
        """The error of a failed path, with what became of the rest of it."""
        note = self.rest_notes.get(failed.path)
        return told(failed.error, note) if note else failed.error


async def restore_job(
    reader: JobReader,
    target: str | bytes | os.PathLike[str],
    *,
    cancel: CancelToken,
    throttle: Throttle,
    progress: ReadProgress | None = None,
    only: Only | None = None,
    overwrite: bool = False,
    goes_on: bool = False,
    begin: Callable[[], Awaitable[None]] | None = None,
    streams: int = RESTORE_STREAMS,
    beside: Beside = _nothing,
    keeps_rests: bool = False,
) -> RestoreResult:
    """Restores a backup job, or the paths that `only` wants, below the directory `target`.

    Args:
        target: made if it is not there.
        overwrite: existing files and links are replaced; a directory never is.
        goes_on: an earlier try of this restore was stopped after `begin`: what looks as that one
            has made it is replaced.
        begin: awaited before anything is written, once nothing is in the way.
        streams: chunks at once, 1 to 64.
        beside: makes what the backup job has besides its entries, before directories get their
            times.
        keeps_rests: what is right of a large damaged file is kept, under a name of its own: nothing else
            can give the file.

    Returns:
        What was done; with `refused` set, nothing.

    Raises:
        DestinationError, LibraryOffline, UnsafeName: the target failed; what was restored stays.
        ManifestError: the manifest is damaged.
        Cancelled: stopped; what was restored stays, nothing half-written is left.
    """
    reading = Reading(
        reader=reader, cancel=cancel, throttle=throttle, progress=progress or ReadProgress()
    )
    opened = await in_thread(
        partial(RestoreTarget, os.fsencode(target), overwrite=overwrite, goes_on=goes_on), cancel
    )
    restoration = Restoration(
        reading, opened, only or (lambda _: True), beside, keeps_rests=keeps_rests
    )
    try:
        await in_thread(restoration.look, cancel)
        if not restoration.refused:
            if begin is not None:
                await begin()
            files = restoration.files()
            await work_off(
                (cut_in_order if reads_in_order(reader) else cut)(files, _unnamed_at_once()),
                restoration.restore,
                streams=streams,
                cancel=cancel,
                finish=restoration.finish,
            )
    except Abandoned:
        raise
    except AuxError:
        restoration.close()
        raise
    restoration.close()
    return restoration.result()


class _Kept:
    """The files that are wanted, as long as they are few: reading them twice costs as much as to write them."""

    def __init__(self) -> None:
        self.entries: list[FileEntry] = []
        self.is_whole = True
        self._weight = 0

    def add(self, entry: FileEntry) -> None:
        """Keeps an entry; lets all of them go when they are too many."""
        if self.is_whole:
            self.entries.append(entry)
            self._weight += 1 + len(entry.chunks)
            if self._weight > KEPT_AT_MOST:
                self.is_whole = False
                self.entries = []


class Restoration:
    """One restore; `look` first, then `restore` in several threads, then `finish`.

    Args:
        reading: how the backup job is read.
        target: where to; closed by `close`.
        wanted: which paths are restored.
        beside: see `restore_job`.
        keeps_rests: see `restore_job`.
    """

    def __init__(
        self,
        reading: Reading,
        target: RestoreTarget,
        wanted: Only,
        beside: Beside = _nothing,
        *,
        keeps_rests: bool = False,
    ) -> None:
        self.refused: list[RelPath] = []
        self._is_stuck = False
        self._reading = reading
        self._target = target
        self._wanted = wanted
        self._beside = beside
        self._keeps_rests = keeps_rests
        self._rests: dict[RelPath, str] = {}
        self._rest_count = 0
        self._symlinks: list[SymlinkEntry] = []
        self._hardlinks: list[HardlinkEntry] = []
        self._directories: list[DirectoryEntry] = []
        self._stand_ins: dict[RelPath, RelPath] = {}
        self._kept = _Kept()
        self._lock = threading.Lock()
        self._large: dict[RelPath, LargeFile] = {}
        self._failed: dict[RelPath, AuxError] = {}
        self._file_count = self._link_count = self._size_bytes = 0

    def look(self) -> None:
        """Finds what is in the way, and what is made after the files."""
        unwanted: set[RelPath] = set()
        wanted, free, kept = self._wanted, self._target.is_free, self._kept
        with self._target.parents() as parents:
            for entry in self._reading.reader.entries():
                if wanted(entry.path):
                    if isinstance(entry, FileEntry):
                        kept.add(entry)
                    else:
                        self._sort(entry, unwanted)
                    if not free(entry, parents):
                        self.refused.append(entry.path)
                        if not free(entry, parents, overwriting=True):
                            self._is_stuck = True
                elif isinstance(entry, FileEntry):
                    unwanted.add(entry.path)
            if self._stand_ins and self.refused:
                self._look_again(parents)

    def _look_again(self, parents: Parents) -> None:
        """At the links that stand in for a file: an earlier try of this restore has made files of them."""
        refused = set(self.refused)
        for entry in self._reading.reader.entries():
            path = self._stand_ins.get(entry.path)
            if path is None or path not in refused or not isinstance(entry, FileEntry):
                continue
            if self._target.is_free(replace(entry, path=path), parents):
                self.refused.remove(path)

    def files(self) -> Iterator[FileEntry]:
        """The files whose content is needed."""
        if self._kept.is_whole and not self._stand_ins:
            yield from self._kept.entries
            return
        for entry in self._reading.reader.entries():
            if isinstance(entry, FileEntry) and (
                self._wanted(entry.path) or entry.path in self._stand_ins
            ):
                yield entry

    def restore(self, work: ReadChunk | ReadFile | ReadBatch, lane: Lane) -> None:
        """Restores one chunk of a large file, or small files; a damaged file is noted.

        Raises:
            DestinationError: the target failed.
            Cancelled: stopped at a piece.
        """
        if isinstance(work, ReadBatch):
            read_batch(self._reading, work, lane, good=self._keep_small, bad=self._fail)
        elif isinstance(work, ReadFile):
            self._restore_file(work, lane)
        else:
            progress_of(self._reading, work)
            self._restore_chunk(work, lane)

    def finish(self) -> None:
        """Links, then the metadata of directories, then everything durable.

        Raises:
            DestinationError: the target failed.
        """
        for directory in self._directories:
            self._target.make_directory(directory.path)
        for symlink in self._symlinks:
            self._target.make_symlink(symlink)
            self._link_count += 1
        for link in self._hardlinks:
            if self._name_of(link.to) in self._failed:
                self._failed[link.path] = SourceRead(
                    f"{shown(link.path)}: its first name {shown(link.to)} could not be restored"
                )
            else:
                self._target.make_hardlink(link.path, self._name_of(link.to))
                self._link_count += 1
        self._beside(self._target)
        self._target.finish(self._directories)

    def result(self) -> RestoreResult:
        """What was done."""
        return RestoreResult(
            files=self._file_count,
            directories=0 if self.refused else len(self._directories),
            links=self._link_count,
            size_bytes=self._size_bytes,
            refused=tuple(self.refused),
            is_stuck=self._is_stuck,
            failed=tuple(FailedPath(path, err) for path, err in sorted(self._failed.items())),
            rests=self._rest_count,
            rest_notes=self._rests,
            warnings=tuple(self._target.warnings),
        )

    def close(self) -> None:
        """Lets go what was not finished."""
        for large in self._large.values():
            self._target.drop(large.file)
        self._large.clear()
        self._target.close()

    def _sort(self, entry: Entry, unwanted: set[RelPath]) -> None:
        if isinstance(entry, DirectoryEntry):
            self._directories.append(entry)
        elif isinstance(entry, SymlinkEntry):
            self._symlinks.append(entry)
        elif isinstance(entry, HardlinkEntry):
            if entry.to in unwanted and entry.to not in self._stand_ins:
                self._stand_ins[entry.to] = entry.path
            else:
                self._hardlinks.append(entry)

    def _name_of(self, path: RelPath) -> RelPath:
        return self._stand_ins.get(path, path)

    def _fail(self, entry: FileEntry, error: AuxError) -> None:
        with self._lock:
            self._failed.setdefault(self._name_of(entry.path), error)

    def _count(self, files: Sequence[FileEntry]) -> None:
        with self._lock:
            self._file_count += len(files)
            self._size_bytes += sum(entry.size for entry in files)

    def _restore_chunk(self, work: ReadChunk, lane: Lane) -> None:
        entry, chunk = work
        large = self._large_file(entry)
        name = self._name_of(entry.path)
        if name not in self._failed or self._keeps_rests:
            try:
                read_chunk(self._reading, work, lane, [large.file.write])
            except SourceError as err:
                self._fail(entry, err)
                if self._keeps_rests:
                    blank(large.file, chunk)
                large.holes.append(chunk)  # of several threads: one call
        with self._lock:
            large.left -= 1
            if large.left:
                return
            del self._large[entry.path]
        self._settle(large)

    def _restore_file(self, work: ReadFile, lane: Lane) -> None:
        entry, large = work.entry, self._large_file(work.entry)
        done = 0
        try:
            source = opened_for_reading(self._reading.reader, entry)
            try:
                for chunk in work.chunks:
                    part = ReadChunk(entry, chunk)
                    progress_of(self._reading, part)
                    read_opened(self._reading, source, part, lane, [large.file.write])
                    done += 1
            finally:
                source.close()
        except SourceError as err:
            self._fail(entry, err)
            large.holes += work.chunks[done:]  # nothing behind can be read without it
            if 0 < done < len(work.chunks):
                blank_from(large.file, work.chunks[done].offset)
        with self._lock:
            del self._large[entry.path]
        self._settle(large)

    def _settle(self, large: LargeFile) -> None:
        """A large file of which every chunk was tried gets its name, or goes."""
        entry, file = large.file.entry, large.file
        if self._name_of(entry.path) not in self._failed:
            self._target.keep(file)
            self._count([entry])
        elif self._keeps_rests and large.has_rest:
            self._keep_rest(large)
        else:
            self._target.drop(file)

    def _keep_rest(self, large: LargeFile) -> None:
        name = self._name_of(large.file.entry.path)
        is_kept, what = keep_rest(self._target, large, name)
        with self._lock:
            self._rests[name] = what
            if is_kept:
                self._rest_count += 1
                self._size_bytes += large.right_bytes

    def _large_file(self, entry: FileEntry) -> LargeFile:
        with self._lock:
            if entry.path not in self._large:
                self._large[entry.path] = LargeFile(
                    self._target.new_file(entry, self._name_of(entry.path)), len(spans_of(entry))
                )
            return self._large[entry.path]

    def _keep_small(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """Small files, with one sync for all of them."""
        name_of = self._name_of
        self._target.keep_small(
            [SmallFile(entry, name_of(entry.path), view) for entry, view in files]
        )
        self._count([entry for entry, _ in files])
