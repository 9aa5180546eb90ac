"""Publishes what was killed between its manifest and its rename, or taken back after it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from engine.library import layout
from engine.library.manifest import read_manifest
from engine.library.sftp import wire
from engine.library.sftp.far import FarSide
from engine.library.sftp.journaling import downloaded
from engine.library.sftp.kept import require_kept
from engine.library.sftp.partial import FarPartial
from engine.library.sftp.proving import proven_chunks
from engine.library.sftp.together import bounded
from engine.model.entries import FileEntry, ManifestHeader
from engine.model.errors import ManifestError


async def finish(
    partial: FarPartial, header: ManifestHeader, checkpoint: Callable[[], None]
) -> None:
    """Publishes a claimed directory that is complete; nothing where it is not.

    The manifest came last. Where the server syncs, everything was durable before it, and sizes are
    looked at only because others have accounts there; elsewhere every chunk is hashed again.

    Args:
        partial: claimed.
        header: of the backup job as it is now.
        checkpoint: called between buffers; what it raises ends this.

    Raises:
        DestinationExists: it is published now.
        OSError: it cannot be looked at.
    """
    if partial.is_fresh:
        return
    far = partial.far
    syncs = (await far.link.session()).has(wire.FSYNC)
    name = partial.job + b"/" + (layout.MANIFEST if syncs else layout.UNPROVEN)
    if syncs:  # of what a server without a sync has left the data may be lost
        await far.remove_if_there(partial.job + b"/" + layout.UNPROVEN)
    elif await far.is_there(partial.job + b"/" + layout.MANIFEST):  # of an older version
        await far.replace(partial.job + b"/" + layout.MANIFEST, name)
    manifest = await downloaded(far, name)
    if manifest is None:
        return
    with manifest:
        try:
            found, entries = read_manifest(manifest)
            files = [entry for entry in entries if isinstance(entry, FileEntry)]
            is_complete = found == header and await _has_all(far, partial.data, files)
            manifest.seek(0)
            text = manifest.read()
        except ManifestError:
            is_complete = False
    if is_complete and not syncs:
        is_complete = await _is_whole(far, partial.data, files, checkpoint)
    if not is_complete:
        await far.remove_if_there(name)
        await far.sync_directory(partial.job)
        return
    await partial.require_in_place()
    await partial.commit(None, functools.partial(require_kept, partial, files, text), text)
    raise partial.taken()


async def _has_all(far: FarSide, data: bytes, files: Sequence[FileEntry]) -> bool:
    lacking: list[FileEntry] = []

    async def look(entry: FileEntry) -> None:
        found = await far.look(data + b"/" + entry.path)
        if found is None or not found.is_file or found.size != entry.size:
            lacking.append(entry)

    await bounded(far.link.files_at_once, [functools.partial(look, entry) for entry in files])
    return not lacking


async def _is_whole(
    far: FarSide, data: bytes, files: Sequence[FileEntry], checkpoint: Callable[[], None]
) -> bool:
    stated = {
        entry.path: {chunk.offset: chunk for chunk in entry.chunks}
        for entry in files
        if entry.chunks
    }
    proven = await proven_chunks(far, data, stated, is_same_boot=False, checkpoint=checkpoint)
    return proven == stated
