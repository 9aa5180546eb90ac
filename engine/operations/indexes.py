"""Indexes of backups, kept beside the catalog: looked up, made durable, fetched from the media."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from typing import BinaryIO, cast

from blake3 import blake3

from engine.archive.index_file import IndexFile
from engine.catalog.home import Home
from engine.library.blame import on_destination
from engine.library.durable_file import replace_durably
from engine.library.interface import JobReader, ReadHandle
from engine.model.entries import FileEntry
from engine.model.errors import ManifestError, SourceCorrupt
from engine.model.names import shown
from engine.transfer.buffers import BUFFER_BYTES
from engine.transfer.volumes import INDEX_NAME


def open_index(home: Home, backup_job_id: int) -> IndexFile | None:
    """The index of a backup job; None when it is not here, or not whole.

    Blocking; the caller closes it.
    """
    try:
        stream = home.index(backup_job_id).open("rb")
    except OSError:
        return None
    try:
        index = IndexFile(stream)
    except ManifestError:
        stream.close()
        return None
    if index.header.backup_job_id != backup_job_id:
        index.close()
        return None
    return index


def described_jobs(home: Home) -> list[int]:
    """The backup jobs that have an index or the manifest of a landing job here."""
    names = [name.removesuffix(".index") for name in os.listdir(home.indexes)]
    names += [name.removesuffix(".jsonl.zst") for name in os.listdir(home.manifests)]
    return sorted({int(name) for name in names if name.isascii() and name.isdigit()})


def forget_described(home: Home, backup_jobs: Iterable[int]) -> None:
    """Removes index or manifest of backup jobs of which no bytes are left anywhere."""
    for backup_job_id in backup_jobs:
        home.index(backup_job_id).unlink(missing_ok=True)
        home.manifest(backup_job_id).unlink(missing_ok=True)


def new_index_file(home: Home, backup_job_id: int) -> BinaryIO:
    """A file without a name for an index that is being made: killed here, nothing is left of it."""
    with on_destination("write", os.fsencode(home.index(backup_job_id))):
        fd = os.open(home.indexes, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        return cast("BinaryIO", os.fdopen(fd, "w+b"))


def keep_index(home: Home, backup_job_id: int, stream: BinaryIO) -> None:
    """Makes an index durable under its name.

    Raises:
        DestinationError: it cannot be written.
    """
    stream.seek(0)
    replace_durably(
        os.fsencode(home.index(backup_job_id)),
        lambda target: shutil.copyfileobj(stream, target, BUFFER_BYTES),
    )


def fetch_index(home: Home, reader: JobReader) -> None:
    """Gets the index of a backup job from one of its copies; every byte is checked.

    Raises:
        ManifestError: the job copy has none.
        SourceError: it cannot be read, or is damaged.
        DestinationError: it cannot be written here.
    """
    backup_job_id = reader.header.backup_job_id
    entry = index_entry(reader)
    handle = reader.open_file(entry)
    try:
        replace_durably(
            os.fsencode(home.index(backup_job_id)),
            lambda target: _copy_checked(handle, entry, target),
        )
    finally:
        handle.close()


def index_entry(reader: JobReader) -> FileEntry:
    """The index among the files of a job copy.

    Raises:
        ManifestError: there is none.
    """
    for entry in reader.entries():
        if entry.path == INDEX_NAME and isinstance(entry, FileEntry):
            return entry
    raise ManifestError(f"backup job {reader.header.backup_job_id} has no index on this copy")


def _copy_checked(handle: ReadHandle, entry: FileEntry, target: BinaryIO) -> None:
    for chunk in entry.chunks:
        digest, at = blake3(), 0
        while at < chunk.length:
            buffer = bytearray(min(BUFFER_BYTES, chunk.length - at))
            got = handle.read_into(memoryview(buffer), chunk.offset + at)
            if not got:
                break
            digest.update(buffer[:got])
            target.write(buffer[:got])
            at += got
        if digest.digest() != chunk.digest:
            raise SourceCorrupt(f"{shown(entry.path)} is not what the manifest says")
