"""Looks whether directories and links of a job copy are there as its manifest says, and nothing else."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from engine.library.interface import JobReader
from engine.model.entries import Entry, FileEntry


@runtime_checkable
class StructureReader(Protocol):
    """A reader of a place that has directories and links of its own."""

    def check_structure(self, entry: Entry) -> None:
        """Looks at a directory, a symbolic link or a further name of a file.

        Raises:
            SourceError: it is not there, or is something else.
        """
        ...


def check_structure(reader: JobReader, entry: Entry) -> None:
    """Checks an entry that has no bytes of its own, where the place can have it at all.

    Raises:
        SourceError: it is not there as the manifest says.
    """
    if not isinstance(entry, FileEntry) and isinstance(reader, StructureReader):
        reader.check_structure(entry)


@runtime_checkable
class StrangersReader(Protocol):
    """A reader of a place whose listing costs little."""

    def strangers(self) -> list[bytes]:
        """What lies in the directory of the job copy and no manifest lists, sorted.

        Raises:
            ManifestError: the manifest is damaged.
            SourceRead: it cannot be listed.
        """
        ...


def strangers_in(reader: JobReader) -> list[bytes]:
    """What lies beside the files of a job copy; nothing where the place does not tell.

    Raises:
        ManifestError, SourceRead: as `StrangersReader.strangers`.
    """
    return reader.strangers() if isinstance(reader, StrangersReader) else []
