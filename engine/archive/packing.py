"""Reads content into a tar stream and its index: all of it, or what changed since a backup before.

Links are never followed. A file that changes while it is read keeps the length that its header
says, and is noted; what cannot be read is noted too, and stays as an earlier backup had it.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from engine.archive import tar
from engine.archive.base import BaseWalk
from engine.archive.choosing import Excludes, Roots
from engine.archive.index import (
    DELETED,
    DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    IndexEntry,
)
from engine.archive.index_file import IndexFile, IndexWriter
from engine.archive.listing import Child, Lister, Listing, Settled
from engine.archive.reading import FileIntoTar, xattrs_of
from engine.archive.stream import TarStream
from engine.model.errors import SourceRead

MAX_PROBLEMS = 1000  # that are kept by name; the number of all is known
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Identity = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is to be backed up."""

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    one_file_system: bool = True
    left_out: frozenset[Identity] = frozenset()
    """Directories that never belong to any content: libraries, our own state."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A path that is not in the backup as it should be, and why."""

    path: bytes
    why: str


@dataclass(slots=True)
class PackResult:
    """What a backup found."""

    problems: list[Problem] = field(default_factory=list)
    """The first of them."""
    problem_count: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """What was left out on purpose, and how often."""
    archived: int = 0
    """Names of files that are in this archive."""
    deleted: int = 0
    missing_roots: list[bytes] = field(default_factory=list)

    def note(self, path: bytes, why: str) -> None:
        """Notes a problem."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(path, why))


@dataclass(frozen=True, slots=True)
class _Below:
    """A directory that is still to be entered."""

    child: Child | None
    """None: it cannot be looked at; what an earlier backup knew of it stays."""
    entry: IndexEntry
    is_new: bool


class Packer:
    """One backup.

    Args:
        content: what is read.
        job_id: the backup job that this will be.
        stream: gets the members.
        index: gets the entries.
        base: the index that an incremental goes on from; None: a full.
        pulse: called for every directory; what it raises ends the backup.
    """

    def __init__(
        self,
        content: Content,
        job_id: int,
        stream: TarStream,
        index: IndexWriter,
        *,
        base: IndexFile | None = None,
        pulse: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.result = PackResult()
        self._content = content
        self._roots = Roots(content.paths)
        self._job_id = job_id
        self._stream = stream
        self._index = index
        self._is_full = base is None
        self._base = BaseWalk(base)
        self._pulse = pulse
        self._links: dict[Identity, bytes] = {}
        self._lister = Lister(Excludes(content.exclude), self.result.left_out, self.result.note)
        self._files = FileIntoTar(stream, job_id, self.result.note)

    def run(self) -> PackResult:
        """Reads everything; the stream is not finished by it.

        Raises:
            SourceRead: the root of the file system cannot be opened.
        """
        try:
            root = os.open(b"/", _OPEN_DIRECTORY)
        except OSError as err:
            raise SourceRead(f"cannot open /: {err.strerror}") from err
        try:
            device = os.fstat(root).st_dev if self._roots.is_everything else None
            self._directory(root, b"", device, None)
        finally:
            os.close(root)
        return self.result

    def _directory(self, fd: int, path: bytes, device: int | None, own: _Below | None) -> None:
        """A directory and all below it.

        Args:
            device: file system of the content that it belongs to; None: it only leads to some.
            own: its entry; None: the root.
        """
        self._pulse(path)
        before = self._base.at(path)
        entries: list[IndexEntry] = []
        settled = partial(_is_settled, before, entries) if before else None
        try:
            listing = self._listed(fd, path, device, settled)
        except OSError as err:
            self.result.note(path, f"cannot be listed: {(err.strerror or '').lower()}")
            if own is not None and own.is_new:
                self._add_directory(own.entry)
            self._keep(before.values())
            self._keep(self._base.below(path))
            return
        changed = [_is_changed(child, before.get(child.path)) for child in listing.children]
        if own is not None and (own.is_new or any(changed)):
            self._add_directory(own.entry)
        self._children(fd, listing, changed, before, entries)
        deeper: list[_Below] = []
        for child in listing.directories:
            entry = self._directory_entry(fd, child)
            is_new = self._is_full or not _is_same_directory(entry, before.get(child.path))
            deeper.append(_Below(child, entry, is_new))
            entries.append(entry)
        deeper += self._settle_gone(before, entries, listing)
        entries.sort()
        for entry in entries:
            self._index.add(entry)
        for below in sorted(deeper, key=lambda one: one.entry.path):
            self._enter(fd, below, device)

    def _children(
        self,
        fd: int,
        listing: Listing,
        changed: list[bool],
        before: Mapping[bytes, IndexEntry],
        entries: list[IndexEntry],
    ) -> None:
        """What is listed besides directories; each is let go when its entry is there.

        So of a large directory one of the two is in memory.
        """
        listing.children.reverse()
        changed.reverse()
        while listing.children:
            child = listing.children.pop()
            entry = self._entry(fd, child, before.get(child.path), is_changed=changed.pop())
            if entry is not None:
                entries.append(entry)
            else:
                listing.unreadable.append(child.path)

    def _settle_gone(
        self, before: dict[bytes, IndexEntry], entries: list[IndexEntry], listing: Listing
    ) -> list[_Below]:
        """What was there before and is not: deleted, or kept because nothing can be said of it."""
        if not before:
            return []
        here = {entry.path: entry.kind for entry in entries}
        unclear = frozenset(listing.unreadable)
        kept: list[_Below] = []
        for gone in before.values():
            kind = here.get(gone.path)
            if kind == gone.kind or (kind is not None and DIRECTORY not in (kind, gone.kind)):
                continue
            if kind is not None or gone.path not in unclear:
                entries.append(IndexEntry(gone.path, DELETED))
                self.result.deleted += 1
                continue
            stays = gone._replace(unsure=True)
            entries.append(stays)
            if gone.kind == DIRECTORY:
                kept.append(_Below(None, stays, is_new=False))
        return kept

    def _listed(
        self,
        fd: int,
        path: bytes,
        device: int | None,
        settled: Settled | None,
    ) -> Listing:
        if device is not None:
            return self._lister.every(fd, path, settled)
        names = self._roots.names_below(path)
        return self._lister.named(fd, path, names, settled, missing=self._missing)

    def _missing(self, path: bytes) -> None:
        roots = [root for root in self._roots.paths if root == path or root.startswith(path + b"/")]
        self.result.missing_roots += roots
        for root in roots:
            self.result.note(root, "is not there")

    def _enter(self, fd: int, below: _Below, device: int | None) -> None:
        """Goes into a directory, unless it is another file system or not ours to read."""
        child = below.child
        if child is None:
            self._keep(self._base.below(below.entry.path))
            return
        path, found = child.path, child.found
        if (found.st_dev, found.st_ino) in self._content.left_out:
            self.result.left_out["libraries and the state of auxtui"] += 1
            inner: int | None = None
            is_wanted = False
        elif path in self._roots.paths or (
            device is not None and (found.st_dev == device or not self._content.one_file_system)
        ):
            inner, is_wanted = found.st_dev, True
        else:
            inner, is_wanted = None, path in self._roots.above
            if device is not None:
                self.result.left_out["other file systems"] += 1
        if not is_wanted:
            if below.is_new:
                self._add_directory(below.entry)
            return
        try:
            inner_fd = os.open(child.name, _OPEN_DIRECTORY, dir_fd=fd)
        except OSError as err:
            self.result.note(path, f"cannot be opened: {(err.strerror or '').lower()}")
            if below.is_new:
                self._add_directory(below.entry)
            self._keep(self._base.below(path))
            return
        try:
            self._directory(inner_fd, path, inner, below)
        finally:
            os.close(inner_fd)

    def _keep(self, entries: Iterable[IndexEntry]) -> None:
        """What cannot be looked at now stays as it was known."""
        for entry in entries:
            self._index.add(entry._replace(unsure=True))

    def _entry(
        self, fd: int, child: Child, was: IndexEntry | None, *, is_changed: bool
    ) -> IndexEntry | None:
        """The entry of anything but a directory; None: there is nothing to keep of it."""
        found = child.found
        linked = (found.st_dev, found.st_ino) if found.st_nlink > 1 else None
        if not is_changed and was is not None:
            first = self._links.get(linked) if linked is not None else None
            if was.kind != HARDLINK or first == was.to:
                if linked is not None and was.kind == FILE:
                    self._links.setdefault(linked, child.path)
                return was
        if stat.S_ISREG(found.st_mode):
            return self._file(fd, child, linked)
        if stat.S_ISLNK(found.st_mode):
            return self._symlink(fd, child)
        return self._special(child)

    def _file(self, fd: int, child: Child, linked: Identity | None) -> IndexEntry | None:
        first = self._links.get(linked) if linked is not None else None
        if first is not None:
            self._add(child, tar.HARDLINK, link=first)
            self.result.archived += 1
            return self._plain(child, HARDLINK, size=child.found.st_size, to=first)
        entry = self._files.add(fd, child)
        if entry is not None:
            self.result.archived += 1
            if linked is not None:
                self._links[linked] = child.path
        return entry

    def _symlink(self, fd: int, child: Child) -> IndexEntry | None:
        try:
            target = os.readlink(child.name, dir_fd=fd)
        except FileNotFoundError:
            return None
        except OSError as err:
            self.result.note(child.path, f"cannot be read: {(err.strerror or '').lower()}")
            return None
        self._add(child, tar.SYMLINK, link=target)
        return self._plain(child, SYMLINK, to=target)

    def _special(self, child: Child) -> IndexEntry:
        mode, number = child.found.st_mode, child.found.st_rdev
        if stat.S_ISFIFO(mode):
            self._add(child, tar.FIFO)
            return self._plain(child, FIFO)
        is_block = stat.S_ISBLK(mode)
        device = (os.major(number), os.minor(number))
        self._add(child, tar.BLOCK_DEVICE if is_block else tar.CHARACTER, device=device)
        return self._plain(child, DEVICE, size=int(is_block), device=device)

    def _add(
        self, child: Child, kind: bytes, *, link: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        found = child.found
        self._stream.add(
            tar.header(
                child.path,
                kind,
                mode=found.st_mode & 0o7777,
                uid=found.st_uid,
                gid=found.st_gid,
                mtime_ns=found.st_mtime_ns,
                link=link,
                device=device,
            )
        )

    def _plain(
        self,
        child: Child,
        kind: str,
        *,
        size: int = 0,
        to: bytes = b"",
        device: tuple[int, int] = (0, 0),
    ) -> IndexEntry:
        found = child.found
        return IndexEntry(
            child.path,
            kind,
            mode=found.st_mode & 0o7777,
            uid=found.st_uid,
            gid=found.st_gid,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            size=size,
            inode=found.st_ino,
            job=self._job_id,
            to=to,
            device=device,
        )

    def _directory_entry(self, fd: int, child: Child) -> IndexEntry:
        return self._plain(child, DIRECTORY)._replace(
            xattrs=xattrs_of(b"/proc/self/fd/%d/%b" % (fd, child.name))
        )

    def _add_directory(self, entry: IndexEntry) -> None:
        self._stream.add(
            tar.header(
                entry.path + b"/",
                tar.DIRECTORY,
                mode=entry.mode,
                uid=entry.uid,
                gid=entry.gid,
                mtime_ns=entry.mtime_ns,
                records=[tar.xattr_record(name, value) for name, value in entry.xattrs],
            )
        )


def _is_settled(
    before: Mapping[bytes, IndexEntry], entries: list[IndexEntry], child: Child
) -> bool:
    """Most of an incremental: what is as it was, and has no other name, needs no more thought."""
    was = before.get(child.path)
    if was is None or child.found.st_nlink > 1 or was.kind == HARDLINK or _is_changed(child, was):
        return False
    entries.append(was)
    return True


def _is_changed(child: Child, was: IndexEntry | None) -> bool:
    """Whether a file, link or device is not as a backup before had it."""
    if was is None or was.unsure:
        return True
    found = child.found
    if (was.inode, was.mtime_ns, was.ctime_ns) != (
        found.st_ino,
        found.st_mtime_ns,
        found.st_ctime_ns,
    ):
        return True
    kinds = {FILE: stat.S_IFREG, HARDLINK: stat.S_IFREG, SYMLINK: stat.S_IFLNK, FIFO: stat.S_IFIFO}
    if was.kind in (FILE, HARDLINK) and was.size != found.st_size:
        return True
    return was.kind != DEVICE and kinds.get(was.kind) != stat.S_IFMT(found.st_mode)


def _is_same_directory(entry: IndexEntry, was: IndexEntry | None) -> bool:
    return was is not None and was._replace(job=entry.job, unsure=False) == entry
