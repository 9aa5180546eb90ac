"""Open files of the in-memory twin."""

from __future__ import annotations

from collections.abc import Callable


class MemoryReadHandle:
    """`ReadHandle` in memory.

    Args:
        content: of the file.
        passing: called before each read; raises what shall go wrong.
    """

    def __init__(self, content: bytearray, passing: Callable[[], None]) -> None:
        self._content = content
        self._passing = passing

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See `ReadHandle`."""
        self._passing()
        found = self._content[offset : offset + len(buffer)]
        buffer[: len(found)] = found
        return len(found)

    def unchanged(self) -> bool:
        """See `ReadHandle`; nothing changes a published job copy."""
        return True

    def fileno(self) -> None:
        """None: there is no descriptor."""

    def close(self) -> None:
        """Closes the file."""
