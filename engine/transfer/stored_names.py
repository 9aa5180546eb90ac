"""What files are called on an encoded copy: every name gets the suffix of the encoding.

So no two files can get one name. A name that would be longer than a file system takes, or that a
directory or a symbolic link beside it has, becomes 32 digits of a digest and `.encoded`: the
manifest has the original name of every file.
"""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

from engine.library.records import stored_path
from engine.model.entries import DirectoryEntry, Entry, SymlinkEntry
from engine.model.names import MAX_COMPONENT_BYTES, MAX_PATH_BYTES, RelPath

RENAMED_SUFFIX = b".encoded"
_DIGEST_BYTES = 16


class StoredNames:
    """The names of one backup job under one encoding; the same for the same entries, always.

    Args:
        suffix: of the encoding.
        entries: of the backup job, by their original names.
    """

    def __init__(self, suffix: bytes, entries: Iterable[Entry]) -> None:
        self._suffix = suffix
        endings = (suffix, RENAMED_SUFFIX)
        self._taken = {
            entry.path
            for entry in entries
            if isinstance(entry, (DirectoryEntry, SymlinkEntry)) and entry.path.endswith(endings)
        }

    def of(self, path: RelPath) -> RelPath:
        """Where the file with this original path is stored."""
        name = path.rpartition(b"/")[2] + self._suffix
        stored = stored_path(path, name)
        is_short = len(name) <= MAX_COMPONENT_BYTES and len(stored) <= MAX_PATH_BYTES
        if is_short and stored not in self._taken:
            return stored
        tries = 0
        while True:
            digest = blake3(path + b"\0" * tries).digest(length=_DIGEST_BYTES)
            stored = stored_path(path, digest.hex().encode("ascii") + RENAMED_SUFFIX)
            if stored not in self._taken:
                return stored
            tries += 1
