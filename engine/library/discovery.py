"""What a library holds, found without a catalog: its identity, and the copies below its root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from engine.library import layout
from engine.library.beneath import directory, names_in, open_for_reading, open_root
from engine.library.blame import on_source
from engine.library.interface import LibraryIdentity, Place
from engine.library.marker import MAX_MARKER_BYTES, identity_of
from engine.model.errors import LibraryOffline
from engine.model.names import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """One copy below a library's root."""

    place: Place
    job_ids: tuple[int, ...]
    """Directories of backup jobs, ascending, whether their manifest is well or not."""
    partial_ids: tuple[int, ...]
    """Those of unfinished ones."""


class Discovery(Protocol):
    """A library that is looked at without a catalog."""

    def identity(self) -> LibraryIdentity:
        """The identity in its marker, whoever it belongs to.

        Raises:
            LibraryOffline: there is no library there, it cannot be reached, or its marker is damaged.
        """
        ...

    def copies(self) -> Iterator[Discovered]:
        """Every copy below its root; what cannot be one is passed over.

        Raises:
            SourceRead, LibraryOffline: a directory cannot be listed.
        """
        ...


class LocalDiscovery:
    """`Discovery` below a path.

    Args:
        root: of the library.
    """

    def __init__(self, root: bytes) -> None:
        self._root = root

    def identity(self) -> LibraryIdentity:
        """See `Discovery`."""
        return identity_at(self._root)

    def copies(self) -> Iterator[Discovered]:
        """See `Discovery`."""
        return copies_at(self._root)


def identity_at(root: bytes) -> LibraryIdentity:
    """The identity in the marker of a library, whoever it belongs to.

    Raises:
        LibraryOffline: there is no library there, or its marker is damaged.
    """
    try:
        fd = open_root(root)
    except OSError as err:
        raise _offline(root, (err.strerror or str(err)).lower()) from err
    try:
        with open(open_for_reading(layout.MARKER, parent=fd), "rb") as stream:
            identity = identity_of(stream.read(MAX_MARKER_BYTES))
    except OSError as err:
        raise _offline(root, "there is no marker of a library there") from err
    finally:
        os.close(fd)
    if identity is None:
        raise _offline(root, "its marker is damaged")
    return identity


def copies_at(root: bytes) -> Iterator[Discovered]:
    """Every copy below the root of a library; what cannot be one is passed over.

    Raises:
        SourceRead: a directory cannot be listed.
    """
    with on_source("list", root):
        fd = open_root(root)
        try:
            for policy in _directories(fd):
                with directory(policy, parent=fd) as policy_fd:
                    for copy in _directories(policy_fd):
                        with directory(copy, parent=policy_fd) as copy_fd:
                            yield _copy(policy, copy, copy_fd)
        finally:
            os.close(fd)


def _copy(policy: bytes, copy: bytes, copy_fd: int) -> Discovered:
    partial: tuple[int, ...] = ()
    if layout.PARTIAL in names_in(copy_fd):
        with directory(layout.PARTIAL, parent=copy_fd) as partials_fd:
            partial = _job_ids(partials_fd)
    return Discovered(
        place=Place(policy.decode("ascii"), copy.decode("ascii")),
        job_ids=_job_ids(copy_fd),
        partial_ids=partial,
    )


def _directories(fd: int) -> list[bytes]:
    """Directories whose names can be those of a policy or a copy."""
    with os.scandir(fd) as found:
        names = [os.fsencode(entry.name) for entry in found if entry.is_dir(follow_symlinks=False)]
    return sorted(name for name in names if layout.is_directory_name(name))


def _job_ids(fd: int) -> tuple[int, ...]:
    ids = (layout.job_id_of(name) for name in names_in(fd))
    return tuple(sorted(job_id for job_id in ids if job_id is not None))


def _offline(root: bytes, why: str) -> LibraryOffline:
    return LibraryOffline(
        f"there is no library at {shown(root)} to rebuild from: {why}",
        hint="mount its disk, or correct the URL in the site file",
    )
