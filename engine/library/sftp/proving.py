"""What an earlier try of a job copy has proven over there, looked at before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from blake3 import blake3

from engine.library.digesting import Piece
from engine.library.journal import ChunksByOffset
from engine.library.sftp.digests import far_digests
from engine.library.sftp.far import FarSide
from engine.library.sftp.together import bounded
from engine.model.entries import Chunk, FileEntry, Metadata
from engine.model.names import RelPath

_READ_BYTES = 4 * 1024**2
_PIECES_AT_ONCE = 64
_NO_META = Metadata(mode=0, mtime_ns=0, uid=0, gid=0)


async def proven_chunks(
    far: FarSide,
    data: bytes,
    chunks: Mapping[RelPath, ChunksByOffset],
    *,
    is_same_boot: bool,
    checkpoint: Callable[[], None],
) -> dict[RelPath, ChunksByOffset]:
    """The journaled chunks whose bytes are there.

    In the boot that synced them a look at the file is enough. Otherwise they are hashed: over there
    where that is possible, else here.

    Raises:
        OSError: a file is there and cannot be read.
    """
    found: dict[RelPath, ChunksByOffset] = {}
    sizes: dict[RelPath, int] = {}

    async def look(path: RelPath) -> None:
        there = await far.look(data + b"/" + path)
        if there is not None and there.is_file:
            sizes[path] = there.size

    await bounded(far.link.files_at_once, [partial(look, path) for path in chunks])
    for path in sorted(sizes):
        checkpoint()
        inside = [c for c in chunks[path].values() if c.offset + c.length <= sizes[path]]
        if not is_same_boot:
            inside = await _whole(far, data, path, sizes[path], inside, checkpoint)
        if inside:
            found[path] = {chunk.offset: chunk for chunk in inside}
    return found


async def _whole(
    far: FarSide,
    data: bytes,
    path: RelPath,
    size: int,
    chunks: list[Chunk],
    checkpoint: Callable[[], None],
) -> list[Chunk]:
    entry = FileEntry(path=path, size=size, meta=_NO_META)
    whole: list[Chunk] = []
    for at in range(0, len(chunks), _PIECES_AT_ONCE):
        checkpoint()
        group = chunks[at : at + _PIECES_AT_ONCE]
        digests = await far_digests(far, data, [Piece(entry, chunk) for chunk in group])
        if digests is None:
            digests = [await _read(far, data, path, chunk, checkpoint) for chunk in group]
        whole += [c for c, digest in zip(group, digests, strict=True) if digest == c.digest]
    return whole


async def _read(
    far: FarSide, data: bytes, path: RelPath, chunk: Chunk, checkpoint: Callable[[], None]
) -> bytes:
    digest = blake3()
    async with far.reading(data + b"/" + path) as (session, handle, _):
        at, end = chunk.offset, chunk.offset + chunk.length
        buffer = bytearray(min(_READ_BYTES, chunk.length))
        while at < end:
            checkpoint()
            view = memoryview(buffer)[: end - at]
            count = await session.read_into(handle, at, view)
            if not count:
                return b""
            digest.update(view[:count])
            at += count
    return digest.digest()
