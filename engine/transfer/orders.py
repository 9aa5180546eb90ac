"""What a run is asked to copy and what became of it: frozen values at the border of this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from engine.library.interface import JobReader, JobWriter
from engine.model.encoding import PLAIN, Encoding
from engine.model.entries import Entry, ManifestHeader
from engine.model.errors import AuxError
from engine.transfer.cancel import CancelToken
from engine.transfer.throttle import Throttle

MANY_HERE = 8  # orders that are open at once where no line is long


class OutcomeState(StrEnum):
    """What became of one backup job on one destination."""

    PUBLISHED = "published"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDestination:
    """One copy that needs the backup job."""

    copy_id: int
    copy_name: str
    library: str
    open_writer: Callable[[], JobWriter]
    """Called once, in a thread; starts or resumes the job copy."""
    reflink: bool = False
    """Large files share the blocks of their source where the file system can do that."""
    throttle: Throttle | None = None
    """Limit of this copy, besides that of the run."""
    encoding: Encoding = PLAIN
    """How the files are stored there."""
    encodes: bool = False
    """They are encoded on the way; else they are so at the source already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOrder:
    """One backup job, read once, for every copy that needs it from this source."""

    backup_job_id: int
    header: ManifestHeader
    size_bytes: int
    open_source: Callable[[], JobReader]
    """Called once, in a thread. Gives the originals when a destination encodes them."""
    destinations: tuple[OrderDestination, ...]
    remember: Callable[[ManifestHeader, Sequence[Entry]], None] | None = None
    """Called once, in a thread, when every byte is read and hashed and nothing is published:
    keeps the digests durably. For the first copy of a landing job."""
    cancel: CancelToken | None = None
    """Stops this order alone, at a piece."""
    at_once: int = MANY_HERE
    """How many small orders like this one are best open side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationOutcome:
    """What became of one backup job on one copy."""

    copy_id: int
    copy_name: str
    state: OutcomeState
    manifest_digest: bytes | None
    """Of the published manifest; None unless published."""
    error: AuxError | None
    path: bytes
    """Where it failed; empty when that is not one file."""
    chunks: int
    """Of the backup job; as far as they were counted when the source failed."""
    chunks_done: int
    """Journaled here, those of earlier tries included."""
    bytes_done: int
    warnings: tuple[str, ...] = field(default=())
    encoding: Encoding = PLAIN
    """Of what lies there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """The end of one order."""

    order: TransferOrder
    outcomes: tuple[DestinationOutcome, ...]
    entries: int
    files: int
    chunks: int
    size_bytes: int
    """Of all files, as far as they were counted when the source failed."""
    original_chunks: int
    """Of the backup job as it was before it was encoded."""
    original_bytes: int
    bytes_read: int
    bytes_reused: int
    """In chunks that no destination needed any more."""
    seconds: float
