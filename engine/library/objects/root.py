"""What a library in an object store is at its root: whose it is, what it can do, is it there."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from engine.library.interface import LibraryIdentity
from engine.library.line import LineState
from engine.library.marker import MAX_MARKER_BYTES, Marker, identity_of, text_of
from engine.library.objects.address import S3Address
from engine.library.objects.capabilities import (
    Capabilities,
    capabilities_from,
    find_out,
    has_object_lock,
)
from engine.library.objects.connection import connection_to
from engine.library.objects.faults import Kind, StoreFault, offline_fault
from engine.library.objects.jobhome import LibraryHome
from engine.library.objects.keys import MARKER
from engine.library.objects.parts import PART_BYTES, WHOLE_BYTES
from engine.library.objects.sending import Sender, digests_of
from engine.library.objects.store import CONNECTIONS
from engine.library.objects.window import UNDER_WAY_BYTES

MIB = 1024**2


class Root:
    """The root of one library; raises `LibraryOffline` where it cannot be used.

    Args:
        name: of the library in the site file.
        address: where it lies.
        home: `AUXTUI_HOME`; None for whoever only looks.
        uuid: what its marker must say; empty while that is not known.
        commcell_id: whose library it is.
    """

    def __init__(
        self, name: str, address: S3Address, home: Path | None, uuid: str, commcell_id: str
    ) -> None:
        self.name = name
        self.address = address
        self.connection = connection_to(address)
        self._home = home
        self._marker = Marker(name, address.root.encode(), uuid, commcell_id)

    def initialise(self, identity: LibraryIdentity) -> LibraryIdentity:
        """See `Library`."""
        with self.in_use("look for the marker in"):
            text = self._text()
            found = self._marker.judged(text) if text is not None else self._write(identity)
        self._marker.uuid = found.uuid
        return found

    def require(self) -> LibraryIdentity:
        """The identity in the marker, which must be the right one."""
        with self.in_use("read the marker of"):
            text = self._text()
        return self._judged(text)

    async def look_again(self) -> None:
        """As `require`, on the loop; a fault of the store is the caller's."""
        self._judged(await self._fetch())

    def any_identity(self) -> LibraryIdentity:
        """The identity in the marker, whoever it belongs to."""
        with self.in_use("read the marker of"):
            text = self._text()
        if text is None:
            raise self._marker.absent()
        found = identity_of(text)
        if found is None:
            raise self._marker.offline("its marker is damaged", "look at it in the bucket")
        return found

    def capabilities(self, uuid: str = "") -> Capabilities:
        """From this process, from the home, or found out now and kept in both.

        Raises:
            StoreFault: it cannot be found out.
        """
        known = self.connection.capabilities
        if known is not None:
            return known
        uuid = uuid or self._marker.uuid
        home = self.library_home(uuid) if uuid and self._home is not None else None
        found = capabilities_from(home.capabilities()) if home else None
        if found is None:
            found = self.connection.run(find_out(self.connection.store))
            self._keep(found, uuid)
        self.connection.capabilities = found
        return found

    def can_lock(self) -> bool:
        """Whether the bucket has object lock; asked again where it had none, as that can be switched on.

        Raises:
            StoreFault: it cannot be found out.
        """
        known = self.capabilities()
        if not known.object_lock and self.connection.run(has_object_lock(self.connection.store)):
            known = replace(known, object_lock=True, versioned=True)  # no lock without versions
            self._keep(known, self._marker.uuid)
            self.connection.capabilities = known
        return known.object_lock

    def _keep(self, found: Capabilities, uuid: str) -> None:
        if uuid and self._home is not None:
            self.library_home(uuid).remember(found.document())

    def sender(self) -> Sender:
        """Sends to it; raises as `capabilities`."""
        return Sender(self.connection.store, self.capabilities())

    def line(self) -> LineState:
        """What is known of the way there; raises as `capabilities`."""
        caps = self.capabilities()
        return LineState(
            transport="s3",
            peer=self.address.endpoint or "Amazon S3",
            latency_s=self.connection.store.latency_s,
            connections=self.connection.store.connections,
            limits=(
                f"{CONNECTIONS} connections at most, {UNDER_WAY_BYTES // MIB} MiB under way",
                f"objects above {WHOLE_BYTES // MIB} MiB go in parts of {PART_BYTES // MIB} MiB",
                "what was copied is verified by reading it: the checksums of a store say what "
                "arrived there, not what lies there today",
            ),
            offers=caps.offers(),
            lacks=caps.lacks(),
        )

    def library_home(self, uuid: str) -> LibraryHome:
        """Where what a store cannot hold is kept.

        Raises:
            ValueError: it was opened to be looked at only.
        """
        if self._home is None:
            raise ValueError("a library that was opened to be looked at is used for more")
        return LibraryHome(bytes(self._home), uuid)

    @contextmanager
    def in_use(self, doing: str) -> Iterator[None]:
        """What fails in this block speaks against the library, not against any backup job."""
        try:
            yield
        except StoreFault as fault:
            raise offline_fault(
                fault,
                f"library {self.name} cannot be used: cannot {doing} {self.address.root}: "
                f"{fault.text}",
            ) from fault

    def _judged(self, text: bytes | None) -> LibraryIdentity:
        if text is None:
            raise self._marker.absent()
        found = self._marker.judged(text)
        self._marker.uuid = found.uuid
        return found

    def _text(self) -> bytes | None:
        return self.connection.run(self._fetch())

    async def _fetch(self) -> bytes | None:
        text = bytearray()

        def begin() -> Callable[[bytes], object]:
            text.clear()
            return text.extend

        try:
            await self.connection.store.whole(self.address.key(MARKER), begin)
        except StoreFault as fault:
            if fault.code == "NoSuchBucket" or fault.kind is not Kind.MISSING:
                raise
            return None
        return bytes(text[:MAX_MARKER_BYTES])

    def _write(self, identity: LibraryIdentity) -> LibraryIdentity:
        self._marker.refuse_marked_before()
        text = text_of(identity)
        sender = Sender(self.connection.store, self.capabilities(identity.uuid))

        async def keep() -> None:
            raise StoreFault(Kind.EXISTS)

        digests = digests_of(memoryview(text), with_md5=sender.caps.needs_md5)
        key = self.address.key(MARKER)
        try:
            self.connection.run(sender.put(key, io.BytesIO(text), digests, may_replace=keep))
        except StoreFault as fault:
            if fault.kind is not Kind.EXISTS:  # another service was faster: its marker counts
                raise
        return self._judged(self._text())
