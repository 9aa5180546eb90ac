"""Reads one file into a tar stream: whole, once, and honest about what changed meanwhile."""

from __future__ import annotations

import errno
import os
import stat

from engine.archive import tar
from engine.archive.index import FILE, IndexEntry
from engine.archive.listing import Child, Note
from engine.archive.stream import TarStream
from engine.archive.tar import Segment

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NO_XATTRS = frozenset({errno.EOPNOTSUPP, errno.ENODATA, errno.EACCES, errno.EPERM, errno.ENOENT})

SMALL_BYTES = 256 * 1024  # read in one go into the frame that is being filled

Xattrs = tuple[tuple[bytes, bytes], ...]


class FileIntoTar:
    """Puts regular files into a stream.

    Args:
        stream: where to.
        job_id: the backup job that it is.
        note: told of files that changed or cannot be read.
    """

    def __init__(self, stream: TarStream, job_id: int, note: Note) -> None:
        self._stream = stream
        self._job_id = job_id
        self._note = note

    def add(self, directory_fd: int, child: Child) -> IndexEntry | None:
        """Reads a file; None when nothing of it is worth keeping, which is noted unless it is gone."""
        try:
            fd = self._open(directory_fd, child.name)
        except FileNotFoundError:
            return None
        except OSError as err:
            self._note(child.path, f"cannot be opened: {_why(err)}")
            return None
        try:
            entry = self._small(fd, child)
            if entry is not None:
                return entry
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                self._note(child.path, "is no longer a file")
                return None
            return self._read(fd, child.path, found)
        except OSError as err:
            self._note(child.path, f"cannot be read: {_why(err)}")
            return None
        finally:
            os.close(fd)

    @staticmethod
    def _open(directory_fd: int, name: bytes) -> int:
        try:
            return os.open(name, _OPEN | os.O_NOATIME, dir_fd=directory_fd)
        except PermissionError:  # the access time may be left by the owner alone
            return os.open(name, _OPEN, dir_fd=directory_fd)

    def _small(self, fd: int, child: Child) -> IndexEntry | None:
        """A small file that is still as it was when its directory was listed; None: read it with care.

        What is the same before and after is the same in between, so nothing is asked in between.
        """
        path, found = child.path, child.found
        size = found.st_size
        if size > SMALL_BYTES or found.st_blocks * 512 < size:
            return None
        mode, mtime_ns = found.st_mode & 0o7777, found.st_mtime_ns
        uid, gid = found.st_uid, found.st_gid
        stream = self._stream
        try:
            xattrs = xattrs_of(fd)
            header = tar.header(
                path,
                tar.REGULAR,
                mode=mode,
                uid=uid,
                gid=gid,
                mtime_ns=mtime_ns,
                size_bytes=size,
                records=[tar.xattr_record(*one) for one in xattrs] if xattrs else (),
            )
            if not stream.offer(header, fd, size) or not _is_same(found, os.fstat(fd)):
                return None
        except OSError:
            return None  # whoever reads it with care finds out again, and says so
        at = stream.position + len(header)
        stream.accept()
        return IndexEntry(
            path,
            FILE,
            mode,
            uid,
            gid,
            mtime_ns,
            found.st_ctime_ns,
            size,
            found.st_ino,
            self._job_id,
            at,
            b"",
            xattrs,
        )

    def _read(self, fd: int, path: bytes, found: os.stat_result) -> IndexEntry | None:
        xattrs = xattrs_of(fd)
        records = [tar.xattr_record(name, value) for name, value in xattrs]
        size = found.st_size
        segments: tuple[Segment, ...] | None = None
        if size and found.st_blocks * 512 < size:
            segments = _runs_of_data(fd, size)
        name, stored, sparse = path, size, b""
        if segments is not None:
            sparse = tar.sparse_map(segments)
            stored = len(sparse) + sum(length for _, length in segments)
            records += tar.sparse_records(path, size)
            name = tar.sparse_name(path)
        self._stream.add(
            tar.header(
                name,
                tar.REGULAR,
                mode=found.st_mode & 0o7777,
                uid=found.st_uid,
                gid=found.st_gid,
                mtime_ns=found.st_mtime_ns,
                size_bytes=stored,
                records=records,
            )
        )
        self._stream.add(sparse)
        at = self._stream.position
        fault = self._copy(fd, segments if segments is not None else ((0, size),))
        self._stream.pad(stored)
        if fault:
            self._note(path, fault)
            return None
        is_changed = not _is_same(found, os.fstat(fd))
        if is_changed:
            self._note(path, "changed while it was read")
        return IndexEntry(
            path,
            FILE,
            found.st_mode & 0o7777,
            found.st_uid,
            found.st_gid,
            found.st_mtime_ns,
            found.st_ctime_ns,
            size,
            found.st_ino,
            self._job_id,
            at,
            b"",
            xattrs,
            segments,
            (0, 0),
            is_changed,
        )

    def _copy(self, fd: int, segments: tuple[Segment, ...]) -> str:
        """Copies the runs of data, each with the length that was stated; returns what failed."""
        fault = ""
        for offset, length in segments:
            before = self._stream.position
            if not fault:
                try:
                    self._stream.fill(fd, offset, length)
                except OSError as err:
                    fault = f"cannot be read from byte {offset}: {_why(err)}"
            self._stream.zeros(length - (self._stream.position - before))
        return fault


def _is_same(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether a file is the one that it was, with the content and the metadata that it had."""
    return (
        before.st_ctime_ns == after.st_ctime_ns
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_size == after.st_size
        and before.st_ino == after.st_ino
        and before.st_dev == after.st_dev
    )


def xattrs_of(target: int | bytes) -> Xattrs:
    """Extended attributes, ACLs among them, of an open file or of a path; a link is not followed."""
    follow = isinstance(target, int)
    try:
        names = os.listxattr(target, follow_symlinks=follow)
        if not names:
            return ()
        return tuple(
            (os.fsencode(name), os.getxattr(target, name, follow_symlinks=follow))
            for name in sorted(names)
        )
    except OSError as err:
        if err.errno in _NO_XATTRS:
            return ()
        raise


def _runs_of_data(fd: int, size: int) -> tuple[Segment, ...] | None:
    """The runs of data of a file with holes; None when the file system says that there are none."""
    found: list[Segment] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as err:
            if err.errno != errno.ENXIO:
                return None
            break
        end = os.lseek(fd, start, os.SEEK_HOLE)
        start, end = min(start, size), min(end, size)
        if end > start:
            found.append((start, end - start))
        at = max(end, at + 1)
    if found == [(0, size)]:
        return None
    if not found or found[-1][0] + found[-1][1] != size:
        found.append((size, 0))  # so that programs know how long the file is
    return tuple(found)


def _why(err: OSError) -> str:
    return (err.strerror or str(err)).lower()
