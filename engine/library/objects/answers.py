"""Answers of HTTP/1.1, found in the bytes that came. Pure.

As much of it as a store answers with: a body of a length, in chunks, up to the end of the
connection, or none. Whatever can be understood in two ways is refused: the answer to one request
must never be taken for that to another.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_HEAD_BYTES = 64 * 1024
MOST_BODY_BYTES = 64 * 1024 * 1024
"""A page of a list is a few megabytes."""
_MOST_SIZE_LINE_BYTES = 4096

_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_WITHOUT_BODY = (204, 304)


class Answer(NamedTuple):
    """An answer, read whole."""

    status: int
    headers: dict[str, str]
    """Names in lower case; what comes several times is joined by commas."""
    body: bytes
    keeps: bool
    """The next request may go over the same connection."""


class GarbledError(Exception):
    """What came is no answer."""


class CutOffError(GarbledError):
    """The connection ended in the middle of an answer."""


def answer_in(
    received: bytes | bytearray, *, to_head: bool = False, is_end: bool = False
) -> Answer | None:
    """The answer that some bytes begin with; None while there is not all of it.

    Args:
        received: since the request was sent.
        to_head: the request was a HEAD: the length is that of the object, and no body comes.
        is_end: the connection has ended; nothing comes any more.

    Raises:
        GarbledError: they are no answer.
        CutOffError: its end is missing, and will not come.
    """
    end = received.find(b"\r\n\r\n", 0, MOST_HEAD_BYTES)
    if end < 0:
        if is_end:
            raise CutOffError("the end of its head is missing")
        if len(received) >= MOST_HEAD_BYTES:
            raise GarbledError("it has no head")
        return None
    version, status, headers = _head(received[:end].decode("latin-1"))
    if status < 200:
        if status == 101:
            raise GarbledError("it speaks another protocol from here on")
        return answer_in(received[end + 4 :], to_head=to_head, is_end=is_end)
    has_body = not to_head and status not in _WITHOUT_BODY
    found = _body(received, end + 4, headers, is_end=is_end) if has_body else (b"", end + 4)
    if found is None:
        if is_end:
            raise CutOffError("its end is missing")
        if len(received) - end > MOST_BODY_BYTES:
            raise GarbledError("it is too long")
        return None
    body, at = found
    keeps = version == 1 and not is_end and "close" not in headers.get("connection", "").lower()
    return Answer(status, headers, body, keeps and at == len(received))


def _head(text: str) -> tuple[int, int, dict[str, str]]:
    """Minor version, status, headers."""
    first, *lines = text.split("\r\n")
    found = _STATUS.fullmatch(first)
    if found is None:
        raise GarbledError("its first line is none")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or _NAME.fullmatch(name) is None:
            raise GarbledError("a header is none")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(found[1]), int(found[2]), headers


def _body(
    received: bytes | bytearray, at: int, headers: dict[str, str], *, is_end: bool
) -> tuple[bytes, int] | None:
    """The body, and where it ends; None while there is not all of it."""
    length = headers.get("content-length")
    if (coding := headers.get("transfer-encoding")) is not None:
        if coding.lower() != "chunked" or length is not None:
            raise GarbledError("where it ends can be understood in two ways")
        return _joined(received, at)
    if length is None:
        return (bytes(received[at:]), len(received)) if is_end else None
    if _LENGTH.fullmatch(length) is None:
        raise GarbledError("its length is none")
    if int(length) > MOST_BODY_BYTES:
        raise GarbledError("it is too long")
    end = at + int(length)
    return (bytes(received[at:end]), end) if len(received) >= end else None


def _joined(received: bytes | bytearray, at: int) -> tuple[bytes, int] | None:
    """As `_body`, of one that comes in chunks."""
    parts: list[bytes] = []
    while True:
        end = received.find(b"\r\n", at, at + _MOST_SIZE_LINE_BYTES)
        if end < 0:
            if len(received) - at >= _MOST_SIZE_LINE_BYTES:
                raise GarbledError("a chunk has no size")
            return None
        size = bytes(received[at:end]).partition(b";")[0].strip(b" \t")
        if _SIZE.fullmatch(size) is None:
            raise GarbledError("a chunk has no size")
        at, count = end + 2, int(size, 16)
        if not count:
            behind = _behind_trailers(received, at)
            return None if behind is None else (b"".join(parts), behind)
        if len(received) < at + count + 2:
            return None
        if received[at + count : at + count + 2] != b"\r\n":
            raise GarbledError("a chunk is longer than it says")
        parts.append(bytes(received[at : at + count]))
        at += count + 2


def _behind_trailers(received: bytes | bytearray, at: int) -> int | None:
    while (end := received.find(b"\r\n", at)) >= 0:
        if end == at:
            return end + 2
        at = end + 2
    return None
