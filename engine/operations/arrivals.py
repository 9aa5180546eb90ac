"""Job copies that are on the media before the ledger knows: proved, and told to it."""

from __future__ import annotations

from typing import NamedTuple

from engine.catalog.values import BackupJobValue
from engine.library.interface import Library, Place
from engine.model.entries import FileEntry, original
from engine.model.errors import DestinationExists, SourceCorrupt
from engine.operations.sources import Source


class Proof(NamedTuple):
    """What the media say of a job copy."""

    manifest_digest: bytes
    chunks: int
    """Of the originals."""
    encoding: str
    """As `Encoding.text`."""


def proof_of(library: Library, place: Place, source: Source, commcell_id: str) -> Proof:
    """Finishes the publication of a job copy that is on the media, and reads its manifest whole.

    A crash may have come between the rename that published it and the sync that keeps it. Blocking.

    Raises:
        SourceCorrupt: it is something else.
        AuxError: it cannot be read.
    """
    _finish_publication(library, place, source)
    proof, is_same = _proof(library, place, source.backup_job, commcell_id)
    if not is_same:
        raise SourceCorrupt(
            f"copy {place.copy} holds another backup job under the id {source.backup_job.id}",
            hint="move that directory away, or rebuild the catalog from the library",
        )
    return proof


def _finish_publication(library: Library, place: Place, source: Source) -> None:
    """Does what a crash may have left undone after the rename: syncs, and locks that stayed."""
    try:
        library.write_job(place, source.header, source_key=source.key).close()
    except DestinationExists:
        return


def _proof(
    library: Library, place: Place, job: BackupJobValue, commcell_id: str
) -> tuple[Proof, bool]:
    reader = library.read_job(place, job.id)
    try:
        header = reader.header
        size_bytes = chunks = 0
        for entry in reader.entries():
            before = original(entry)
            if isinstance(before, FileEntry):
                size_bytes += before.size
                chunks += len(before.chunks)
    finally:
        reader.close()
    is_same = (
        header.commcell_id == commcell_id
        and header.backup_job_id == job.id
        and header.name == job.name
        and header.completed_at == job.completed_at.isoformat()
        and size_bytes == job.size_bytes
    )
    digest = library.manifest_digest(place, job.id)
    return Proof(digest, chunks, header.encoding.text), is_same
