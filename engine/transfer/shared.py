"""Chunks that share the blocks of their source (reflinks), where a copy allows that.

A clone is no proof and no second copy: both files lie on the same blocks of one device. So what
was cloned is read from the new file and hashed, and only then it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from engine.library.syscalls import share_range
from engine.model.entries import Chunk, FileEntry
from engine.model.errors import AuxError, Cancelled, DestinationWrite
from engine.model.names import shown
from engine.transfer.copied_file import Target, span_of
from engine.transfer.flow import FileRead, Lane, Pace, flow_range


def share_chunk(target: Target, source: FileRead, chunk: Chunk) -> bool:
    """Shares one chunk with a target whose copy allows it; a failure drops the destination.

    Returns:
        False: it is to be written; whatever hindered the sharing shows there, or harms nothing.
    """
    destination, source_fd = target.destination, source.handle.fileno()
    if not destination.spec.reflink or not destination.is_alive or source_fd is None:
        return False
    try:
        target_fd = target.fileno()
    except AuxError as err:
        destination.fail(err, source.path)
        return False
    return target_fd is not None and share_range(source_fd, target_fd, chunk.offset, chunk.length)


def read_shared(
    lane: Lane, pace: Pace, entry: FileEntry, targets: Iterable[Target], chunk: Chunk
) -> dict[Target, bytes]:
    """The digest of a chunk as it is read from each file that shares it.

    One that cannot be read drops its destination.

    Raises:
        Cancelled: stopped at a piece.
    """
    found: dict[Target, bytes] = {}
    for target in targets:
        try:
            found[target] = flow_range(lane, pace, target.read(), span_of(chunk), ())
        except Cancelled:
            raise
        except AuxError as err:
            target.destination.fail(_unreadable(entry, err), entry.path)
        pace = untold(pace)
    return found


def untold(pace: Pace) -> Pace:
    """The same pace for reading again what was told as moved already."""
    return replace(pace, moved=_nobody)


def drop_differing(
    found: Mapping[Target, bytes], digest: bytes, entry: FileEntry, chunk: Chunk
) -> None:
    """Drops the destinations whose file reads back as something else than its source."""
    for target, own in found.items():
        if own != digest:
            target.destination.fail(_different(entry, chunk), entry.path)


def _nobody(_: int) -> None:
    """The bytes of a chunk are told once, however often they are read."""


def _unreadable(entry: FileEntry, err: AuxError) -> DestinationWrite:
    return DestinationWrite(
        f"{shown(entry.path)} shares the blocks of its source and cannot be read there:"
        f" {err.message}",
        hint="look at the system log; the next try goes on from what is proven",
    )


def _different(entry: FileEntry, chunk: Chunk) -> DestinationWrite:
    return DestinationWrite(
        f"{shown(entry.path)} shares the blocks of its source, but bytes {chunk.offset} to"
        f" {chunk.offset + chunk.length} read back differ from it",
        hint="the device damages data, or something writes into this library: look at the system"
        " log before trusting this disk",
    )
