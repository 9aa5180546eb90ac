"""A file on its way into a store, as whoever writes it holds it."""

from __future__ import annotations

from collections.abc import Callable

from engine.library.objects.files import StagedFile, StraightFile
from engine.model.errors import DestinationWrite
from engine.model.names import shown


class ObjectHandle:
    """`WriteHandle` of an object-store library.

    Args:
        file: shared by all handles of the same path.
        is_open: False once the writer is at its end.
        closed: told of the end of this handle.
    """

    def __init__(
        self,
        file: StraightFile | StagedFile,
        is_open: Callable[[], bool],
        closed: Callable[[], None],
    ) -> None:
        self._file = file
        self._is_open = is_open
        self._closed = closed
        self._is_dead = self._is_closed = False

    def write(self, buffer: memoryview, offset: int) -> None:
        """See `WriteHandle`."""
        self._refuse_dead()
        self._file.write(buffer, offset)

    def sync(self) -> None:
        """See `WriteHandle`."""
        self._refuse_dead()
        try:
            self._file.sync()
        except BaseException:
            self._is_dead = True
            raise

    def fileno(self) -> None:
        """None: there is no descriptor."""

    def close(self) -> None:
        """See `WriteHandle`; what was sent goes on."""
        self._is_dead = True
        if not self._is_closed:
            self._is_closed = True
            self._closed()

    def _refuse_dead(self) -> None:
        if self._is_dead or not self._is_open():
            raise DestinationWrite(
                f"cannot write {shown(self._file.path)}: an earlier step failed, or it is closed",
                hint="the next try goes on from what is journaled",
            )
