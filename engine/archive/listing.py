"""Lists a directory as a backup sees it: in order, without what is left out, with what is in the way."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.archive.choosing import Excludes
from engine.archive.index import checked

SAFE_BYTES, SAFE_DEPTH = 1000, 50  # below these no path is too long or too deep

Note = Callable[[bytes, str], None]
"""Told of a path that cannot be backed up, and why."""


class Child(NamedTuple):
    """A name in a directory."""

    name: bytes
    path: bytes
    found: os.stat_result


Settled = Callable[[Child], bool]


@dataclass(slots=True)
class Listing:
    """What is in a directory, by name."""

    children: list[Child] = field(default_factory=list)
    """All but directories."""
    directories: list[Child] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    """Paths that are there, or should be, and of which nothing can be said."""


class Lister:
    """Lists directories.

    Args:
        excludes: what is left out, with all below it.
        left_out: counts what is.
        note: told of what cannot be backed up.
    """

    def __init__(self, excludes: Excludes, left_out: Counter[str], note: Note) -> None:
        self._excludes = excludes
        self._left_out = left_out
        self._note = note

    def every(self, fd: int, path: bytes, is_settled: Settled | None = None) -> Listing:
        """All of a directory that belongs to the content; see `named`.

        Raises:
            OSError: it cannot be listed.
        """
        directory = os.fsdecode(path)
        names = []
        for name in os.listdir(fd):
            if self._excludes.match(name, directory):
                self._left_out["excluded"] += 1
            else:
                names.append(os.fsencode(name))
        return self.named(fd, path, sorted(names), is_settled, missing=None)

    def named(
        self,
        fd: int,
        path: bytes,
        names: Iterable[bytes],
        is_settled: Settled | None,
        *,
        missing: Callable[[bytes], None] | None,
    ) -> Listing:
        """These names of a directory.

        Args:
            is_settled: told of each that is no directory; what it settles is not listed.
            missing: told of a name that is not there; None: it has vanished, which may be.
        """
        listing = Listing()
        prefix = path + b"/" if path else b""
        for name in names:
            full = prefix + name
            try:
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                if missing is not None:
                    listing.unreadable.append(full)
                    missing(full)
                continue
            except OSError as err:
                self._note(full, f"cannot be looked at: {(err.strerror or '').lower()}")
                listing.unreadable.append(full)
                continue
            if (len(full) > SAFE_BYTES or full.count(b"/") > SAFE_DEPTH) and checked(full) is None:
                self._note(full, "its path is too long or too deep")
            elif stat.S_ISDIR(found.st_mode):
                listing.directories.append(Child(name, full, found))
            elif stat.S_ISSOCK(found.st_mode):
                self._left_out["sockets"] += 1
            else:
                child = Child(name, full, found)
                if is_settled is None or not is_settled(child):
                    listing.children.append(child)
        return listing
