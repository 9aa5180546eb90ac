"""Encodes a file as a stream: a zstd frame for each chunk of the original, then age around it all.

What comes out are standard files: frames in a row are one `.zst`, and age wraps its content whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pyrage
import zstandard

from engine.library.age import recipients_of
from engine.model.encoding import Encoding
from engine.model.errors import AuxError, DestinationWrite

LEVEL = 3  # what zstd does when nothing is said
STEP_BYTES = 1024 * 1024  # compressed at once: bounds what comes out at once

Write = Callable[[memoryview], None]
Bytes = bytes | memoryview


def encode_whole(content: memoryview, encoding: Encoding) -> bytes:
    """A small file, encoded."""
    data: bytes = content.tobytes()
    if encoding.is_compressed:
        data = _compressor().compress(data)
    if encoding.is_encrypted:
        data = pyrage.encrypt(data, recipients_of(encoding))
    return data


def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)


class Encoder:
    """One file on its way. Used by one thread at a time; what is fed is written before that returns.

    Args:
        encoding: not plain.
        write: told what comes out, in order; what it raises comes out of the call that fed it.
    """

    def __init__(self, encoding: Encoding, write: Write) -> None:
        self._age = None
        if encoding.is_encrypted:
            self._age = _AgeThread(recipients_of(encoding), write)
        self._out: Callable[[memoryview], None] = self._age.feed if self._age else write
        self._compressor = _compressor() if encoding.is_compressed else None
        self._frame: Any = None

    def begin(self, size_bytes: int) -> None:
        """A chunk of the original begins."""
        if self._compressor is not None:
            self._frame = self._compressor.compressobj(size=size_bytes)

    def feed(self, view: memoryview) -> None:
        """Bytes of the chunk."""
        if self._frame is None:
            self._out(view)
            return
        for at in range(0, len(view), STEP_BYTES):
            self._put(self._frame.compress(view[at : at + STEP_BYTES]))

    def end(self) -> None:
        """The chunk is complete: its frame is."""
        if self._frame is not None:
            self._put(self._frame.flush())
            self._frame = None

    def finish(self) -> None:
        """The file is complete."""
        if self._age is not None:
            self._age.finish()

    def abort(self) -> None:
        """Lets a file go that will not be completed, or is."""
        if self._age is not None:
            self._age.abort()

    def _put(self, data: bytes) -> None:
        if data:
            self._out(memoryview(data))


class _AgeThread:
    """pyrage asks for what it encrypts; this turns that round: it is fed.

    `feed` returns when all of it is taken and what came of it is written: so the bytes need not be
    copied, and no more than a chunk of age (64 KiB) is held back.
    """

    def __init__(self, recipients: list[Any], write: Write) -> None:
        self._recipients = recipients
        self._write = write
        self._changed = threading.Condition()
        self._data = memoryview(b"")
        self._is_waiting = False
        self._is_over = False
        self._is_aborted = False
        self._has_ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="transfer-age", daemon=True)
        self._thread.start()

    def feed(self, view: memoryview) -> None:
        """Encrypts bytes; raises what the writing raised."""
        with self._changed:
            self._data, self._is_waiting = view, False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_waiting or self._has_ended)
            self._data = memoryview(b"")
            self._raise_error()

    def finish(self) -> None:
        """The last chunk of age is written; raises what the writing raised."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._thread.join()
        self._raise_error()

    def abort(self) -> None:
        """Ends the thread, whatever it was at."""
        with self._changed:
            self._is_aborted = True
            self._changed.notify_all()
        self._thread.join()

    def read(self, size: int) -> bytes:
        """For pyrage: the next bytes; empty at the end."""
        with self._changed:
            while not self._data:
                if self._is_aborted:
                    raise OSError("let go")
                if self._is_over:
                    return b""
                self._is_waiting = True
                self._changed.notify_all()
                self._changed.wait()
            part, self._data = self._data[:size], self._data[size:]
            return part.tobytes()

    def write(self, data: bytes) -> int:
        """For pyrage: what came out."""
        try:
            self._write(memoryview(data))
        except BaseException as err:  # a thread's edge: raised by whoever feeds
            self._error = err
            raise
        return len(data)

    def flush(self) -> None:
        """For pyrage: everything is written at once."""

    def _run(self) -> None:
        try:
            pyrage.encrypt_io(self, self, self._recipients)
        except (pyrage.EncryptError, OSError) as err:
            self._error = self._error or DestinationWrite(f"cannot encrypt: {err}")
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _raise_error(self) -> None:
        if self._error is not None:
            if isinstance(self._error, AuxError):
                raise self._error
            raise RuntimeError("the encryption failed") from self._error
