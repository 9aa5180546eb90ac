"""The publish protocol over SFTP, in the order of a local library (docs/format.md).

One list of each directory says of a hundred files in a round trip what is there; only what is not
as it shall be is touched.
"""

from __future__ import annotations

import asyncio
import io
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from engine.library import layout
from engine.library.blame import on_destination
from engine.library.manifest import TreeCheck, entry_order, write_manifest
from engine.library.sftp import wire
from engine.library.sftp.far import open_looked_at
from engine.library.sftp.keeping import (
    DIRECTORY_MODE,
    FILE_MODE,
    is_less,
    kept_mode,
    kept_seconds,
)
from engine.library.sftp.kept import require_kept
from engine.library.sftp.partial import FarPartial, Parents
from engine.library.sftp.session import is_refused
from engine.library.sftp.together import bounded, gathered
from engine.library.sftp.tree import Directories
from engine.library.sftp.wire import Attributes
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    SymlinkEntry,
)
from engine.model.errors import DestinationWrite
from engine.model.names import shown

_Inside = dict[bytes, Attributes]
_LESS = "modes that would lock this account out are in the manifest alone"


class Publication:
    """One publication of one job copy.

    Args:
        partial: the claimed directory, with all chunks written and synced.
        directories: of its data.
        warn: is told what cannot be kept of an entry over there.
    """

    def __init__(
        self, partial: FarPartial, directories: Directories, *, warn: Callable[[str], None]
    ) -> None:
        self._partial = partial
        self._far = partial.far
        self._directories = directories
        self._warn = warn
        self._lacking: dict[str, int] = defaultdict(int)

    async def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """Does all of it; returns the BLAKE3 of the manifest.

        Raises:
            ManifestError, StorageError, OSError: nothing is published.
        """
        ordered = sorted(entries, key=entry_order)
        tree = TreeCheck(is_encoded=not header.encoding.is_plain)
        for entry in ordered:
            tree.add(entry)
        stream = io.BytesIO()
        digest = write_manifest(stream, header, (_as_published(entry) for entry in ordered))
        manifest = self._partial.job + b"/" + layout.MANIFEST
        # A manifest that is put aside is none yet: it waits until everything else is as it says.
        opening = asyncio.ensure_future(self._partial.open_parents())
        try:
            done = await gathered(
                [
                    self._lay_out(ordered),
                    self._partial.require_in_place(),
                    self._far.put_aside(manifest, (stream.getvalue(),)),
                    opening,
                ]
            )
            aside, parents = done[2:]
            await self._partial.put_in_place(aside, parents)
            text = stream.getvalue()
            kept = partial(require_kept, self._partial, ordered, text)
            await self._partial.commit(parents, kept, text)
        finally:
            opening.add_done_callback(_let_go)
        for what, count in sorted(self._lacking.items()):
            self._warn(f"{what} ({count} of them)")
        return digest

    async def _lay_out(self, ordered: Sequence[Entry]) -> None:
        folders: dict[bytes, list[Entry]] = {b"": []}
        for entry in ordered:
            if isinstance(entry, DirectoryEntry):
                folders[entry.path] = []
            folders[entry.path.rpartition(b"/")[0]].append(entry)
        await self._directories.ensure(folders)
        if (
            not self._partial.is_fresh
        ):  # of what an earlier try made it is not known what is durable
            for path in folders:
                self._directories.note(path)
        links = [entry for entry in ordered if isinstance(entry, (SymlinkEntry, HardlinkEntry))]
        directories = [entry for entry in ordered if isinstance(entry, DirectoryEntry)]
        for entry in directories:
            if is_less(entry.meta, DIRECTORY_MODE):
                self._lacking[_LESS] += 1
        may_still_write = all(entry.meta.mode & stat.S_IWUSR for entry in directories)
        is_likely_done = self._partial.is_fresh and not links and may_still_write
        # What is set of directories counts when nothing in them is touched any more: mostly at once.
        inside, _ = await gathered(
            [self._listed(folders), self._finish_directories(directories if is_likely_done else [])]
        )
        if await self._finish_inside(ordered, links, folders, inside) or not is_likely_done:
            await self._finish_directories(directories)

    async def _listed(self, folders: Mapping[bytes, Sequence[Entry]]) -> dict[bytes, _Inside]:
        inside: dict[bytes, _Inside] = {}

        async def list_one(path: bytes) -> None:
            where = self._directories.at(path)
            inside[path] = await self._far.names(where, at_least=len(folders[path])) or {}

        await bounded(self._far.link.files_at_once, [partial(list_one, path) for path in folders])
        return inside

    async def _finish_inside(
        self,
        ordered: Sequence[Entry],
        links: Sequence[SymlinkEntry | HardlinkEntry],
        folders: Mapping[bytes, Sequence[Entry]],
        inside: dict[bytes, _Inside],
    ) -> bool:
        """Whatever is not as it shall be; False when there is no such thing."""
        at_once = self._far.link.files_at_once
        odd = [path for path in folders if self._strange(folders[path], inside[path])]
        for path in odd:
            await self._tidy(path, self._strange(folders[path], inside[path]))
        files = [
            entry
            for entry in ordered
            if isinstance(entry, FileEntry) and not self._is_as_it_shall_be(entry, inside)
        ]
        await bounded(at_once, [partial(self._finish_file, one, inside) for one in files])
        await bounded(at_once, [partial(self._make_link, one, inside) for one in links])
        return bool(odd or files or links)

    async def _finish_directories(self, directories: Sequence[DirectoryEntry]) -> None:
        """What is set of a directory changes nothing of the one above it: any order will do."""
        for entry in directories:
            self._directories.note(entry.path)
        await bounded(
            self._far.link.files_at_once,
            [partial(self._finish_directory, one) for one in directories],
        )
        await self._directories.sync()

    def _strange(self, expected: Sequence[Entry], found: _Inside) -> set[bytes]:
        """What an earlier try left and the manifest does not have."""
        return found.keys() - {entry.path.rpartition(b"/")[2] for entry in expected}

    async def _tidy(self, path: bytes, names: Iterable[bytes]) -> None:
        self._directories.note(path)
        for name in names:
            await self._far.remove_tree(self._directories.at(path) + b"/" + name)

    def _is_as_it_shall_be(self, entry: FileEntry, inside: dict[bytes, _Inside]) -> bool:
        parent, _, name = entry.path.rpartition(b"/")
        if is_less(entry.meta, FILE_MODE):
            self._lacking[_LESS] += 1
        return inside[parent].get(name) == _as_it_shall_be(entry)

    async def _finish_file(self, entry: FileEntry, inside: dict[bytes, _Inside]) -> None:
        with on_destination("publish", entry.path):
            parent, _, name = entry.path.rpartition(b"/")
            found = inside[parent].get(name)
            if found is not None and not found.mode:  # a list without kinds
                found = await self._far.look(self._directories.at(entry.path))
            if found != _as_it_shall_be(entry):
                await self._mark_file(entry, is_there=found is not None)

    async def _mark_file(self, entry: FileEntry, *, is_there: bool) -> None:
        path = self._directories.at(entry.path)
        mode, seconds = kept_mode(entry.meta, FILE_MODE), kept_seconds(entry.meta)
        session = await self._far.link.session()
        if is_there or entry.size:
            handle, found = await open_looked_at(session, path)
        else:
            handle, found = await self._far.create(session, path), Attributes()
            self._directories.note(entry.path.rpartition(b"/")[0])
        if found.size != entry.size:
            session.let_go(handle)
            raise DestinationWrite(
                f"cannot publish {shown(entry.path)}: it has {found.size} bytes there, "
                f"{entry.size} were written",
                hint="something else writes into this library: look at it",
            )
        requests = [
            (wire.FSETSTAT, wire.text(handle) + wire.attributes(mode=mode, mtime_s=seconds)),
            (wire.CLOSE, wire.text(handle)),
        ]
        if session.has(wire.FSYNC):
            requests.insert(1, session.syncing(handle))
        await session.in_order(*requests)

    async def _make_link(
        self, entry: SymlinkEntry | HardlinkEntry, inside: dict[bytes, _Inside]
    ) -> None:
        with on_destination("publish", entry.path):
            path = self._directories.at(entry.path)
            parent, _, name = entry.path.rpartition(b"/")
            self._directories.note(parent)
            if name in inside[parent]:
                await self._far.remove_if_there(path)
            if isinstance(entry, SymlinkEntry):
                await self._make_symlink(entry, path)
            else:
                await self._make_hard_link(entry, path)

    async def _make_symlink(self, entry: SymlinkEntry, path: bytes) -> None:
        session = await self._far.link.session()
        # The draft has the link first; OpenSSH has it last, and says so in its documentation.
        names = (entry.target, path) if session.is_openssh else (path, entry.target)
        try:
            await session.status(wire.SYMLINK, b"".join(map(wire.text, names)))
        except OSError as err:
            if not is_refused(err):
                raise await self._far.explained(err) from err
            self._lacking["symbolic links are in the manifest alone: the server makes none"] += 1
            return
        if await session.path_of(wire.READLINK, path) != entry.target:
            raise DestinationWrite(
                f"cannot publish {shown(entry.path)}: the server made another link than it was told"
            )
        attributes = wire.attributes(mtime_s=kept_seconds(entry.meta))
        await session.tried(wire.LSETSTAT, wire.text(path) + attributes)

    async def _make_hard_link(self, entry: HardlinkEntry, path: bytes) -> None:
        session = await self._far.link.session()
        first = self._directories.at(entry.to)
        if not await session.tried(wire.HARDLINK, wire.text(first) + wire.text(path)):
            self._lacking["hard links are in the manifest alone: the server makes none"] += 1

    async def _finish_directory(self, entry: DirectoryEntry) -> None:
        path = self._directories.at(entry.path)
        mode, seconds = kept_mode(entry.meta, DIRECTORY_MODE), kept_seconds(entry.meta)
        with on_destination("publish", entry.path):
            await self._far.set_attributes(path, mode=mode, mtime_s=seconds)


def _let_go(opening: asyncio.Task[Parents | None]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        parents = opening.result()
        if parents is not None:
            parents.close()


def _as_it_shall_be(entry: FileEntry) -> Attributes:
    mode, seconds = kept_mode(entry.meta, FILE_MODE), kept_seconds(entry.meta)
    return Attributes(entry.size, stat.S_IFREG | mode, seconds)


def _as_published(entry: Entry) -> Entry:
    """An entry as the manifest on the media has it: without the inodes of its source."""
    if isinstance(entry, FileEntry) and entry.identity is not None:
        return replace(entry, identity=None)
    return entry
