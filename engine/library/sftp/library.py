"""A library on another host that runs an SSH server with SFTP; the layout is that of a local one."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, BinaryIO, TypeVar

from engine.library import layout
from engine.library.blame import on_destination, on_source
from engine.library.discovery import Discovered
from engine.library.interface import LibraryIdentity, Place, Probe
from engine.library.manifest import manifest_digest
from engine.library.marker import MAX_MARKER_BYTES, Marker, identity_of, text_of
from engine.library.sftp import wire
from engine.library.sftp.address import SftpAddress, parse_address
from engine.library.sftp.connecting import look_at_key
from engine.library.sftp.digests import digests_offered
from engine.library.sftp.far import FarSide, require_directory
from engine.library.sftp.finishing import finish
from engine.library.sftp.journaling import downloaded, far_boot_id, read_far_journal
from engine.library.sftp.link import link_to
from engine.library.sftp.marking import FarMarker
from engine.library.sftp.partial import FarPartial
from engine.library.sftp.reading import SftpJobReader
from engine.library.sftp.together import gathered
from engine.library.sftp.trust import OfferedKey
from engine.library.sftp.trying import try_out
from engine.library.sftp.writer import SftpJobWriter, start_writer
from engine.library.trying import Step
from engine.model.entries import ManifestHeader
from engine.model.errors import LibraryOffline, ManifestError, NotFoundError
from engine.model.names import shown

T = TypeVar("T")
_ASIDE = re.compile(rb"\.auxtui-library\.json\.[0-9a-f]{16}\.new")


def _go_on() -> None:
    """The checkpoint of a caller that never stops."""


class SftpLibrary:
    """`Library` and `Discovery` over SFTP. Its connections are shared and opened when they are needed.

    Args:
        name: of the library in the site file.
        address: where it is.
        uuid: what its marker must say; empty while that is not known.
        commcell_id: whose library it is.
    """

    def __init__(self, name: str, address: SftpAddress, *, uuid: str, commcell_id: str) -> None:
        self._name = name
        self.link = link_to(name, address)
        self._root = address.path
        self.far = FarSide(self.link, address.path)
        where = f"{address.label}:".encode() + address.path
        self._marker = FarMarker(self.far, Marker(name, where, uuid, commcell_id))

    @classmethod
    def of_url(cls, name: str, url: str, *, uuid: str, commcell_id: str) -> SftpLibrary:
        """Opens a library; touches nothing yet.

        Raises:
            UsageError: the URL says something that cannot be done.
        """
        return cls(name, parse_address(name, url), uuid=uuid, commcell_id=commcell_id)

    @property
    def name(self) -> str:
        """See `Library`."""
        return self._name

    @property
    def latency_s(self) -> float:
        """Of the line to its host; 0 before it was used."""
        return self.link.latency_s

    def initialise(self, identity: LibraryIdentity) -> LibraryIdentity:
        """See `Library`."""
        with on_destination("write the marker of", self._root):
            found = self._again(lambda: self._initialise(identity))
        self._marker.marker.uuid = found.uuid
        return found

    def probe(self) -> Probe:
        """See `Library`."""
        return self._look("look at", self._root, self._probe)

    def published(self, place: Place) -> list[int]:
        """See `Library`."""
        return self._look("list", self._where(place), lambda: self._published(place))

    def partial(self, place: Place) -> list[int]:
        """See `Library`."""
        return self._look("list", self._where(place), lambda: self._partial(place))

    def occupied_bytes(self, place: Place, job_id: int) -> int:
        """See `Library`; what the journal proves: the rest is written again anyway."""
        where = self._where(place, job_id)
        return self._look("look at", where, lambda: self._occupied(place, job_id))

    def read_job(self, place: Place, job_id: int) -> SftpJobReader:
        """See `Library`."""
        where = self._where(place, job_id)
        with on_source("read the manifest of", where):
            manifest = self._again(lambda: self._manifest(place, job_id))
        data = self._at(place, layout.job_directory(job_id), layout.DATA)
        reader = SftpJobReader(self.far, data, manifest, where)
        if reader.header.backup_job_id != job_id:
            reader.close()
            raise ManifestError(
                f"the manifest of {shown(where)} is of backup job {reader.header.backup_job_id}",
                hint="somebody renamed or swapped job copies there: look at them",
            )
        return reader

    def write_job(
        self,
        place: Place,
        header: ManifestHeader,
        *,
        source_key: str,
        checkpoint: Callable[[], None] = _go_on,
        replace: bool = False,
    ) -> SftpJobWriter:
        """See `Library`."""
        job_id = header.backup_job_id
        partial = self._partial_of(place, job_id, replace=replace)
        with on_destination("prepare", partial.where):
            return self.link.call(self._write_job(partial, place, header, source_key, checkpoint))

    def manifest_digest(self, place: Place, job_id: int) -> bytes:
        """See `Library`."""
        with on_source("read the manifest of", self._where(place, job_id)):
            stream = self._again(lambda: self._manifest(place, job_id))
            with stream:
                return manifest_digest(stream)

    def remove_job(self, place: Place, job_id: int) -> None:
        """See `Library`."""
        with on_destination("remove", self._where(place, job_id)):
            self.link.call(self._remove(place, job_id))

    def try_out(self, *, is_marked: bool = True) -> list[Step]:
        """See `TriesOut`."""
        if is_marked:
            self.probe()
        return self.link.call(try_out(self.far))

    def host_key(self) -> OfferedKey:
        """The key that its host shows, or a host on the way that has none that is trusted.

        Raises:
            LibraryOffline: it cannot be reached, or refuses the login.
        """
        return self.link.call(look_at_key(self._name, self.link.address))

    def identity(self) -> LibraryIdentity:
        """See `Discovery`."""
        text = self._look("look at", self._root, self._marker_text)
        identity = None if text is None else identity_of(text)
        if identity is None:
            why = (
                "there is no marker of a library there" if text is None else "its marker is damaged"
            )
            raise LibraryOffline(
                f"there is no library at {shown(self._root)} of {self.link.address.label} to rebuild "
                f"from: {why}",
                hint="mount its disk there, or correct the URL in the site file",
            )
        return identity

    def copies(self) -> Iterator[Discovered]:
        """See `Discovery`."""
        with on_source("list", self._root):
            yield from self._again(self._copies)

    async def _initialise(self, identity: LibraryIdentity) -> LibraryIdentity:
        found = await self._marker.read()
        if found is None:
            self._marker.marker.refuse_marked_before()
            for name in await self.far.names(self._root) or {}:
                if _ASIDE.fullmatch(name):
                    await self.far.remove_if_there(self.far.at(name))
            name = b"." + layout.MARKER + b"." + secrets.token_hex(8).encode("ascii")
            aside = await self.far.put_aside(self.far.at(name), (text_of(identity),))
            try:
                await self.far.rename_new(aside, self.far.at(layout.MARKER))
            except FileExistsError:  # another service was faster: its marker counts
                await self.far.remove_if_there(aside)
            found = await self._marker.require()
        await self.far.sync_directory(self._root)
        return found

    async def _probe(self) -> Probe:
        identity, space = await gathered([self._marker.require(), self.far.free_space()])
        if self.link.syncs_directories is None:
            await self.far.sync_directory(self._root)
        await digests_offered(self.far)
        return Probe(
            identity=identity,
            free_bytes=None if space is None else space[0],
            total_bytes=None if space is None else space[1],
            line=self.link.state(),
        )

    async def _published(self, place: Place) -> list[int]:
        await self._marker.require()
        ids = _job_ids(await self.far.names(self._at(place)) or {})
        at_once = asyncio.Semaphore(self.link.files_at_once)

        async def has_manifest(job_id: int) -> bool:
            async with at_once:
                path = self._at(place, layout.job_directory(job_id), layout.MANIFEST)
                return await self.far.is_there(path)

        found = await gathered([has_manifest(job_id) for job_id in ids])
        return [job_id for job_id, is_whole in zip(ids, found, strict=True) if is_whole]

    async def _partial(self, place: Place) -> list[int]:
        await self._marker.require()
        unfinished = _job_ids(await self.far.names(self._at(place, layout.PARTIAL)) or {})
        return sorted({*unfinished, *await self._unproven(place)})

    async def _unproven(self, place: Place) -> list[int]:
        """Those of which a lost line has left in its last place what was not proven there."""
        if (await self.far.link.session()).has(wire.FSYNC):
            return []
        job_ids = _job_ids(await self.far.names(self._at(place)) or {})
        paths = [
            self._at(place, layout.job_directory(job_id), layout.UNPROVEN) for job_id in job_ids
        ]
        found = await gathered([self.far.is_there(path) for path in paths])
        return [job_id for job_id, is_there in zip(job_ids, found, strict=True) if is_there]

    async def _occupied(self, place: Place, job_id: int) -> int:
        await self._marker.require()
        directory = self._at(place, layout.PARTIAL, layout.job_directory(job_id))
        journal = await read_far_journal(self.far, directory)
        chunks = journal.chunks.values() if journal else ()
        return sum(chunk.length for each in chunks for chunk in each.values())

    async def _manifest(self, place: Place, job_id: int) -> BinaryIO:
        await self._marker.require()
        name = layout.job_directory(job_id)
        where = self._where(place, job_id)
        policy, copy = layout.directories_of(place)
        above = [self.far.at(policy), self.far.at(policy, copy), self._at(place, name)]
        for found in await gathered([self.far.look(path) for path in above]):
            if found is None:
                raise self._missing(where)
            require_directory(found)
        manifest = await downloaded(self.far, self._at(place, name, layout.MANIFEST))
        if manifest is None:
            raise NotFoundError(
                f"{shown(where)} in library {self._name} has no manifest: it is no job copy",
                hint="look at it; `auxtui recopy` has it made anew",
            )
        return manifest

    async def _write_job(
        self,
        partial: FarPartial,
        place: Place,
        header: ManifestHeader,
        source_key: str,
        checkpoint: Callable[[], None],
    ) -> SftpJobWriter:
        try:
            await gathered([partial.claim(), far_boot_id(self.far)])  # which it is asked for once
            await finish(partial, header, checkpoint)
            return await start_writer(partial, header, source_key=source_key, checkpoint=checkpoint)
        except BaseException:
            await partial.close()
            raise

    def _partial_of(self, place: Place, job_id: int, *, replace: bool = False) -> FarPartial:
        return FarPartial(self.far, self._marker, place, job_id, replace=replace)

    async def _remove(self, place: Place, job_id: int) -> None:
        await self._marker.require()
        await self._partial_of(place, job_id).sweep_removed()
        name = layout.job_directory(job_id)
        if not await self.far.is_there(self._at(place, name)):
            raise self._missing(self._where(place, job_id))
        removed = self._at(place, layout.REMOVED)
        await self.far.make_durable_directory(removed)
        await self.far.remove_tree(removed + b"/" + name)
        await self.far.rename_new(self._at(place, name), removed + b"/" + name)
        await self.far.sync_directory(self._at(place))
        await self.far.sync_directory(removed)
        await self.far.remove_tree(removed + b"/" + name)

    async def _marker_text(self) -> bytes | None:
        return await self.far.content(self.far.at(layout.MARKER), MAX_MARKER_BYTES)

    async def _copies(self) -> list[Discovered]:
        found: list[Discovered] = []
        for policy in await self._directories(self._root):
            for copy in await self._directories(self.far.at(policy)):
                place = Place(policy.decode("ascii"), copy.decode("ascii"))
                job_ids = _job_ids(await self.far.names(self._at(place)) or {})
                partial = _job_ids(await self.far.names(self._at(place, layout.PARTIAL)) or {})
                unproven = await self._unproven(place)
                found.append(
                    Discovered(
                        place=place,
                        job_ids=tuple(job_id for job_id in job_ids if job_id not in unproven),
                        partial_ids=tuple(sorted({*partial, *unproven})),
                    )
                )
        return found

    async def _directories(self, path: bytes) -> list[bytes]:
        inside = await self.far.names(path) or {}
        return sorted(
            name
            for name, each in inside.items()
            if each.is_directory and layout.is_directory_name(name)
        )

    def _look(self, doing: str, where: bytes, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What fails in this call speaks against the library, not against any backup job."""
        try:
            return self._again(work)
        except OSError as err:
            raise LibraryOffline(
                f"library {self._name} cannot be used: cannot {doing} {shown(where)} of "
                f"{shown(self.link.address.label)}: {(err.strerror or str(err)).lower()}",
                hint="look at that host, and at owner and mode of its directories",
            ) from err

    def _again(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Does what changes nothing; once more when a connection was lost that had been idle."""
        was_open = self.link.is_open
        try:
            return self.link.call(work())
        except LibraryOffline:
            if not was_open or self.link.is_open:
                raise
        return self.link.call(work())

    def _missing(self, where: bytes) -> NotFoundError:
        return NotFoundError(f"there is no {shown(where)} in library {self._name}")

    def _at(self, place: Place, *parts: bytes) -> bytes:
        return self.far.at(*layout.directories_of(place), *parts)

    def _where(self, place: Place, job_id: int | None = None) -> bytes:
        parts = [*layout.directories_of(place)]
        if job_id is not None:
            parts.append(layout.job_directory(job_id))
        return b"/".join(parts)


def _job_ids(names: dict[bytes, wire.Attributes]) -> list[int]:
    ids = (layout.job_id_of(name) for name in names)
    return sorted(job_id for job_id in ids if job_id is not None)
