"""What an earlier try of a job copy has proven, looked at before it is believed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from blake3 import blake3

from engine.library.beneath import Parents, open_own_file
from engine.library.journal import ChunksByOffset, JournalContent
from engine.model.entries import Chunk
from engine.model.names import RelPath

_READ_BYTES = 4 * 1024**2


def proven_chunks(
    data_fd: int,
    content: JournalContent,
    *,
    boot_id: str,
    checkpoint: Callable[[], None],
) -> dict[RelPath, ChunksByOffset]:
    """The journaled chunks whose bytes are there.

    In the boot that wrote them a look at the file is enough: they were synced. After a crash of
    the host they are read and hashed, since a device may have lost what it had acknowledged.

    Args:
        data_fd: directory of the files.
        boot_id: of now.
        checkpoint: called between buffers; what it raises ends the reading.

    Raises:
        OSError: a file is there and cannot be read.
    """
    is_same_boot = content.header.boot_id == boot_id
    proven: dict[RelPath, ChunksByOffset] = {}
    with Parents(data_fd) as parents:
        for path in sorted(content.chunks):
            fd = _open(path, parents)
            if fd is None:
                continue
            try:
                chunks = _within(fd, content.chunks[path].values())
                if not is_same_boot:
                    chunks = [chunk for chunk in chunks if is_whole(fd, chunk, checkpoint)]
            finally:
                os.close(fd)
            if chunks:
                proven[path] = {chunk.offset: chunk for chunk in chunks}
    return proven


def _open(path: RelPath, parents: Parents) -> int | None:
    try:
        parent, name = parents.of(path)
        return open_own_file(name, parent=parent, write=False)
    except FileNotFoundError:  # its name was not durable yet when the power went
        return None


def _within(fd: int, chunks: Iterable[Chunk]) -> list[Chunk]:
    size = os.fstat(fd).st_size
    return [chunk for chunk in chunks if chunk.offset + chunk.length <= size]


def is_whole(fd: int, chunk: Chunk, checkpoint: Callable[[], None]) -> bool:
    """True where a file on this host has the bytes of a chunk; raises what `checkpoint` does."""
    digest = blake3()
    at, end = chunk.offset, chunk.offset + chunk.length
    while at < end:
        checkpoint()
        data = os.pread(fd, min(_READ_BYTES, end - at), at)
        if not data:
            return False
        digest.update(data)
        at += len(data)
    return digest.digest() == chunk.digest
