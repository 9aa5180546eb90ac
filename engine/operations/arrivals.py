"""Job copies that are on the media before the ledger knows: proved, and told to it."""

from __future__ import annotations

from engine.catalog.values import BackupJobValue
from engine.library.interface import Library, Place
from engine.model.errors import DestinationExists, SourceCorrupt
from engine.operations.sources import Source


def proof_of(library: Library, place: Place, source: Source, commcell_id: str) -> tuple[bytes, int]:
    """Finishes the publication of a job copy that is on the media, and reads its manifest whole.

    A crash may have come between the rename that published it and the sync that keeps it. Blocking.

    Returns:
        The digest of its manifest, and the number of its chunks.

    Raises:
        SourceCorrupt: it is something else.
        AuxError: it cannot be read.
    """
    _finish_publication(library, place, source)
    digest, is_same, chunks = _proof(library, place, source.backup_job, commcell_id)
    if not is_same:
        raise SourceCorrupt(
            f"copy {place.copy} holds another backup job under the id {source.backup_job.id}",
            hint="move that directory away, or rebuild the catalog from the library",
        )
    return digest, chunks


def _finish_publication(library: Library, place: Place, source: Source) -> None:
    """Does what a crash may have left undone after the rename: syncs, and locks that stayed."""
    try:
        library.write_job(place, source.header, source_key=source.key).close()
    except DestinationExists:
        return


def _proof(
    library: Library, place: Place, job: BackupJobValue, commcell_id: str
) -> tuple[bytes, bool, int]:
    reader = library.read_job(place, job.id)
    try:
        header = reader.header
        size_bytes = chunks = 0
        for entry in reader.entries():
            size_bytes += getattr(entry, "size", 0)
            chunks += len(getattr(entry, "chunks", ()))
    finally:
        reader.close()
    is_same = (
        header.commcell_id == commcell_id
        and header.backup_job_id == job.id
        and header.name == job.name
        and header.completed_at == job.completed_at.isoformat()
        and size_bytes == job.size_bytes
    )
    return library.manifest_digest(place, job.id), is_same, chunks
