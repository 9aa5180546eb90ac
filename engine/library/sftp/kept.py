"""Whether a server that cannot sync has what it said that it took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import partial

from engine.library import layout
from engine.library.sftp import wire
from engine.library.sftp.partial import FarPartial
from engine.library.sftp.together import bounded
from engine.library.sftp.unproven import lost
from engine.model.entries import Entry, FileEntry
from engine.model.names import shown


async def require_kept(held: FarPartial, entries: Iterable[Entry], manifest: bytes) -> None:
    """Looks for everything in its last place: manifest by content, files by size.

    There are servers that answer from a cache, and lose what is in it with the rename. One that
    syncs was asked to before.

    Raises:
        DestinationWrite: something is not there.
        OSError: it cannot be looked for.
    """
    far, where = held.far, held.published
    session = await far.link.session()
    if session.has(wire.FSYNC):
        return
    if await far.content(where + b"/" + layout.UNPROVEN, len(manifest) + 1) != manifest:
        raise lost(held.where, "its manifest")
    folders: dict[bytes, list[FileEntry]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry, FileEntry):
            folders[entry.path.rpartition(b"/")[0]].append(entry)
    data = where + b"/" + layout.DATA

    async def look_into(path: bytes) -> None:
        files = folders[path]
        inside = await far.names(data + b"/" + path if path else data, at_least=len(files)) or {}
        for entry in files:
            found = inside.get(entry.path.rpartition(b"/")[2])
            if found is None or found.size != entry.size:
                raise lost(held.where, shown(entry.path))

    await bounded(far.link.files_at_once, [partial(look_into, one) for one in folders])
