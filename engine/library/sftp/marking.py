"""The marker of a library on the other host: which library it is."""

from __future__ import annotations

from contextlib import suppress

from engine.library import layout
from engine.library.interface import LibraryIdentity
from engine.library.marker import MAX_MARKER_BYTES, Marker
from engine.library.sftp.far import FarSide
from engine.library.sftp.together import gathered
from engine.library.sftp.wire import Attributes


class FarMarker:
    """What the marker of a library must say.

    Args:
        far: the library.
        marker: which judges what stands there.
    """

    def __init__(self, far: FarSide, marker: Marker) -> None:
        self._far = far
        self.marker = marker

    async def read(self) -> LibraryIdentity | None:
        """The identity; None when there is no marker.

        Raises:
            LibraryOffline: there is no directory, it cannot be read, is damaged or another's.
        """
        try:
            text = await self._far.content(self._far.at(layout.MARKER), MAX_MARKER_BYTES)
            if text is None and not await self._far.is_there(self._far.root):
                raise self.marker.offline("no such file or directory", _ROOT_HINT)
        except OSError as err:
            why = (err.strerror or str(err)).lower()
            hint = _ACCOUNT_HINT if isinstance(err, PermissionError) else _ROOT_HINT
            raise self.marker.offline(f"its marker cannot be read: {why}", hint) from err
        return None if text is None else self.marker.judged(text)

    async def require(self) -> LibraryIdentity:
        """The identity; raises as `read`, also when there is no marker."""
        found = await gathered([self._look(), self.read()])
        before: Attributes | None = found[0]
        identity: LibraryIdentity | None = found[1]
        if identity is None:
            raise self.marker.absent()
        if before is not None:
            self._far.link.known.markers[self._far.root] = before
        return identity

    async def require_still(self) -> None:
        """As `require`, but a marker that looks as it did when it was read is not read again."""
        known = self._far.link.known.markers.get(self._far.root)
        if known is None or await self._look() != known:
            await self.require()

    async def _look(self) -> Attributes | None:
        with suppress(OSError):  # of this, `read` says more
            return await self._far.look(self._far.at(layout.MARKER))
        return None


_ACCOUNT_HINT = "let the account that logs in there read and write it"
_ROOT_HINT = "mount its disk on that host; a new library needs its directory to be made first"
