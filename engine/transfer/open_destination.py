"""One destination of an order that is being copied."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from engine.library.interface import JobWriter
from engine.model.entries import Chunk
from engine.model.errors import AuxError
from engine.transfer.encoded import EncodedSide
from engine.transfer.orders import OrderDestination
from engine.transfer.settled import Settled


class OpenDestination:
    """One destination of an order; its first error drops it out, from any thread.

    Args:
        spec: what the order says of it.
        writer: the job copy that is being made.
    """

    def __init__(self, spec: OrderDestination, writer: JobWriter) -> None:
        self.spec = spec
        self.writer = writer
        self.encoded: EncodedSide | None = None
        """Set when the files are encoded on the way to this destination."""
        self.error: AuxError | None = None
        self.path = b""
        self.manifest_digest: bytes | None = None
        self.settled = Settled()
        """Its files that are committed."""
        self.chunks_done = 0
        self.bytes_done = 0
        self._lock = threading.Lock()

    @property
    def is_alive(self) -> bool:
        """False once it has failed."""
        return self.error is None

    def fail(self, error: AuxError, path: bytes = b"") -> None:
        """Drops out; the first error stays."""
        with self._lock:
            if self.error is None:
                self.error, self.path = error, path
        self.settled.stop()

    def count(self, done: Sequence[Chunk]) -> None:
        """Counts journaled chunks."""
        with self._lock:
            self.chunks_done += len(done)
            self.bytes_done += sum(chunk.length for chunk in done)
