"""Bodies of requests: their length and digest, and how they go out block by block."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

Body = io.BytesIO | bytes | memoryview
_NOTHING = hashlib.sha256(b"").hexdigest()
_BLOCK_BYTES = 256 * 1024


def payload_digest(params: Mapping[str, Any], body: Body | None) -> str:
    """SHA-256 of the body in hex; not computed again where it is declared."""
    if body is None:
        return _NOTHING
    declared = params.get("ChecksumSHA256")
    if declared:
        return base64.b64decode(declared).hex()
    if not isinstance(body, io.BytesIO):
        return hashlib.sha256(body).hexdigest()
    with body.getbuffer() as view:
        return hashlib.sha256(view).hexdigest()


def size_of(body: Body) -> int:
    """Bytes of it."""
    if not isinstance(body, io.BytesIO):
        return len(body)
    with body.getbuffer() as view:
        return len(view)


def in_blocks(body: Body | None, taken: Callable[[], None]) -> AsyncIterator[bytes] | None:
    """A body in blocks.

    Args:
        taken: called when the connection is there, and for each block that it has taken; after
            the last one the answer is still to come.
    """
    return None if body is None else _blocks(body, taken)


async def _blocks(body: Body, taken: Callable[[], None]) -> AsyncIterator[bytes]:
    stream = body if isinstance(body, io.BytesIO) else io.BytesIO(body)
    stream.seek(0)
    taken()
    while block := stream.read(_BLOCK_BYTES):
        yield block
        taken()
