"""The one narrow interface of a place that holds copies.

Blocking by design: every call runs in a worker thread of `engine.transfer` (a hop per chunk or
per batch, never per buffer). A library on the network bridges to its own event loop inside.
One contract suite runs on every implementation (tests/contract).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from engine.library.line import LineState
from engine.model.entries import Chunk, Entry, FileEntry, ManifestHeader, PieceEnd
from engine.model.names import RelPath


class Place(NamedTuple):
    """Where job copies of one copy lie below a library: `<policy>/<copy>/`."""

    policy: str
    copy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryIdentity:
    """What the marker `auxtui-library.json` says."""

    uuid: str
    name: str
    commcell_id: str
    commcell: str
    format: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Result of a look at a library."""

    identity: LibraryIdentity
    free_bytes: int | None
    """Usable by this process; None where the library has no limit that it can tell."""
    total_bytes: int | None
    line: LineState | None = None
    """Of a library on the network; None for a local one."""


class ReadHandle(Protocol):
    """An open file of a job copy or of a landing directory."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fills `buffer` from `offset`; short only at the end of the file.

        Raises:
            SourceRead: the read failed.
        """
        ...

    def unchanged(self) -> bool:
        """True while the file still has the identity that it had when it was adopted or opened."""
        ...

    def fileno(self) -> int | None:
        """Descriptor for direct or kernel-side I/O; None for what is not a local file."""
        ...

    def close(self) -> None: ...


class JobReader(Protocol):
    """One backup job as it lies at its source: a job copy in a library, or a landing entry."""

    @property
    def header(self) -> ManifestHeader: ...

    @property
    def has_digests(self) -> bool:
        """False for a landing entry that was never copied: the first read records the digests."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Every entry, parents before children; a file's first name before its hard links.

        Raises:
            ManifestError: the manifest is damaged.
        """
        ...

    def open_file(self, entry: FileEntry) -> ReadHandle:
        """Opens without following any link.

        Raises:
            SourceRead: it cannot be opened.
            SourceChanged: it is not the file that was adopted.
        """
        ...

    def close(self) -> None: ...


class ReadsWhole(ABC):
    """A `JobReader` that can read small files in one go, with fewer calls than by a handle each."""

    @abstractmethod
    def read_each(
        self, files: Sequence[tuple[FileEntry, memoryview]]
    ) -> Iterator[FileEntry] | None:
        """Fills each buffer with all of a file that did not change meanwhile, one after the other.

        Args:
            files: at least one; each buffer is as long as its file.

        Returns:
            Each file once it is read; None: they are to be opened and read, nothing was done.

        Raises:
            SourceRead: the next one cannot be opened or read.
            SourceChanged: it is not the file that was adopted.
        """

    def read_whole(self, entry: FileEntry, view: memoryview) -> bool:
        """`read_each` of one file; False: it is to be opened and read, nothing was done."""
        reads = self.read_each([(entry, view)])
        if reads is None:
            return False
        for _ in reads:
            pass
        return True


class WriteHandle(Protocol):
    """A file that is being written into an unpublished job copy."""

    def write(self, buffer: memoryview, offset: int) -> None:
        """Writes all of `buffer` at `offset`; loops on short writes; may leave zero runs as holes.

        Raises:
            DestinationFull, DestinationWrite: nothing of this range may be trusted.
        """
        ...

    def sync(self) -> None:
        """Makes what was written durable. After an error the handle is dead and is never synced again."""
        ...

    def fileno(self) -> int | None: ...

    def close(self) -> None: ...


class Done(NamedTuple):
    """A chunk that is written, synced and hashed on this destination."""

    path: RelPath
    chunk: Chunk
    ends: tuple[PieceEnd, ...] = ()
    """Of an encoded file: the chunks of the original whose encoding ends in this chunk."""


class JobWriter(Protocol):
    """One job copy that is being made below `.partial`; the only way to write to a library.

    Thread-safe: several streams write different ranges at once.
    """

    @property
    def resumed(self) -> Mapping[RelPath, Sequence[Chunk]]:
        """What the journal of an earlier try proves; empty at a fresh start."""
        ...

    @property
    def ended(self) -> Mapping[RelPath, Sequence[PieceEnd]]:
        """The ends that the journal of an earlier try states, in order; not of every `resumed`."""
        ...

    def open_file(self, entry: FileEntry) -> WriteHandle:
        """Opens (and at first creates, exclusively) a file to write ranges into."""
        ...

    def open_growing(self, path: RelPath, at: int) -> WriteHandle:
        """Opens a file whose size is not known before it is written: an encoded one.

        It is written in order, without gaps, from `at` on (a chunk's border: 0, or the end of what
        `resumed` has of it); what is behind that is cut off. Chunks are recorded as they are
        written and synced; they are as long as those of any file, only the last one is shorter.
        """
        ...

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """Writes many small files whole; durable when they are recorded, with one sync for many."""
        ...

    def record(self, done: Iterable[Done]) -> None:
        """Appends to the journal, durable on return; batches that were written are synced before.

        Only for what was hashed, and synced or written by `write_batch`.
        """
        ...

    def read_back(self, entry: FileEntry) -> ReadHandle:
        """Opens a file that was written and synced, to prove it before it is published.

        Raises:
            SourceError: it cannot be opened.
        """
        ...

    def distrust(self, path: RelPath) -> None:
        """Forgets what is journaled of a file that reads back wrong: the next try writes it anew."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What this library could not keep of an entry, or found damaged: to be shown, not an error."""
        ...

    def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """Directories, links and metadata, manifest, sync of all, one rename, sync of the parent.

        Args:
            entries: every entry, each file with all its chunks and digests; a list in any order,
                as long as the first name of a file sorts before its hard links; what is not a
                list is taken as it comes, in the order of a manifest.

        Returns:
            BLAKE3 of the manifest file, for the ledger.

        Raises:
            ManifestError: a chunk of an entry is not in the journal with the same digest.
            DestinationError, LibraryOffline: nothing is published, or not durably; the writer is
                at its end, the next try goes on from the journal.
        """
        ...

    def discard(self) -> None:
        """Removes the unpublished job copy and its journal."""
        ...

    def close(self) -> None:
        """Closes; what is journaled stays for the next try."""
        ...


class PublishesBehind(ABC):
    """A `JobWriter` whose publication may begin while its files are still written."""

    @abstractmethod
    def publish_behind(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """`JobWriter.publish` for entries that are taken as they come, each file once it is recorded.

        Meanwhile other files are written and recorded. When the last entry is taken all of them
        must be; from then on nothing more is written. What the iterator raises ends it, and what is
        recorded stays.
        """


class Library(Protocol):
    """A place that holds copies."""

    @property
    def name(self) -> str: ...

    def initialise(self, identity: LibraryIdentity) -> LibraryIdentity:
        """Writes the marker if there is none; returns the one that is there then.

        Raises:
            LibraryOffline: not reachable, or the marker belongs to another CommCell.
        """
        ...

    def probe(self) -> Probe:
        """Looks at the marker and the free space.

        Raises:
            LibraryOffline: the marker is absent, damaged or another's.
        """
        ...

    def published(self, place: Place) -> list[int]:
        """Ids of the job copies that are available, ascending."""
        ...

    def partial(self, place: Place) -> list[int]:
        """Ids of the job copies that are unfinished, ascending."""
        ...

    def occupied_bytes(self, place: Place, job_id: int) -> int:
        """Room that an unfinished job copy takes already, written or reserved; 0 if there is none.

        Raises:
            LibraryOffline: it cannot be looked at.
        """
        ...

    def read_job(self, place: Place, job_id: int) -> JobReader:
        """Opens a published job copy.

        Raises:
            NotFoundError: there is none.
            ManifestError: its manifest is damaged.
        """
        ...

    def write_job(
        self,
        place: Place,
        header: ManifestHeader,
        *,
        source_key: str,
        checkpoint: Callable[[], None] = ...,
        replace: bool = False,
    ) -> JobWriter:
        """Starts or resumes a job copy.

        Args:
            replace: takes the place of the one that is published, at the publication and at once:
                until then that one stays, and killed at any instant one of the two is there.
            source_key: identity of the source's content (fingerprint or manifest digest); a
                journal with another one is discarded.
            checkpoint: called between buffers while an earlier try is read again after a crash
                of the host; what it raises (`Cancelled`) ends that, and nothing is lost.

        Raises:
            DestinationExists: this job copy is published already, or is now: a try that was
                killed between manifest and rename is finished here, one that replaces too.
            DestinationWrite: another writer is at work on it.
            DestinationError, LibraryOffline: it cannot be started.
        """
        ...

    def manifest_digest(self, place: Place, job_id: int) -> bytes:
        """BLAKE3 of the published manifest file."""
        ...

    def remove_job(self, place: Place, job_id: int) -> None:
        """Takes a published job copy away: renamed out of sight first, then deleted."""
        ...
