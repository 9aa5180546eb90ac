"""Answers of HTTP/1.1, put together from the bytes that come. Pure.

The parser is llhttp, by way of httptools. On top of it stands what a client must know that reads one
answer at a time: whatever can be understood in two ways is refused, as the answer to one request
must never be taken for that to another.
"""

from __future__ import annotations

from typing import NamedTuple

import httptools

MOST_HEAD_BYTES = 64 * 1024
MOST_BODY_BYTES = 64 * 1024 * 1024
"""A page of a list is a few megabytes."""

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


class AnswerReader:
    """Reads one answer.

    Args:
        to_head: the request was a HEAD: the length is that of the object, and no body comes.
    """

    def __init__(self, *, to_head: bool = False) -> None:
        self._to_head = to_head
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._head_bytes = 0
        self._has_head = False
        self._wrong = ""
        self._answer: Answer | None = None

    def feed(self, data: bytes | memoryview) -> Answer | None:
        """The answer once its last byte has come; None while there is not all of it.

        Raises:
            GarbledError: what came is no answer.
        """
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._wrong = "it speaks another protocol from here on"
        except httptools.HttpParserError as err:
            if self._answer is None:
                raise GarbledError(self._wrong or str(err)) from err
            self._answer = self._answer._replace(keeps=False)  # there is more than it
        if self._wrong:
            raise GarbledError(self._wrong)
        if not self._has_head and self._head_bytes >= MOST_HEAD_BYTES:
            raise GarbledError("it has no head")
        return self._answer

    def end(self) -> Answer:
        """The answer, as the connection has ended.

        Raises:
            CutOffError: its end is missing, and will not come.
        """
        if self._answer is not None:
            return self._answer._replace(keeps=False)
        if not self._has_head:
            raise CutOffError("the end of its head is missing")
        if "content-length" in self._headers or "transfer-encoding" in self._headers:
            raise CutOffError("its end is missing")
        return self._whole(keeps=False)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """What comes behind the answer is no part of it."""
        if self._answer is not None:
            self._answer = self._answer._replace(keeps=False)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody needs."""
        if self._has_head:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self._parser.get_status_code() < 200:
            self._headers.clear()
            return
        self._has_head = True
        coding = self._headers.get("transfer-encoding")
        length = self._headers.get("content-length", "0")
        if coding is not None and (
            coding.lower() != "chunked" or "content-length" in self._headers
        ):
            self._wrong = "where it ends can be understood in two ways"
        elif self._to_head:
            self._answer = self._whole(keeps=self._parser.should_keep_alive())
        elif not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            self._wrong = "its length is none, or too long"

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        if self._answer is not None:
            self._answer = self._answer._replace(keeps=False)
            return
        self._body += data
        if len(self._body) > MOST_BODY_BYTES:
            self._wrong = "it is too long"

    def on_message_complete(self) -> None:
        """The last byte is there; of what comes before an answer (100 Continue), too."""
        if self._has_head and self._answer is None:
            self._answer = self._whole(keeps=self._parser.should_keep_alive())

    def _whole(self, *, keeps: bool) -> Answer:
        status = self._parser.get_status_code()
        body = b"" if status in _WITHOUT_BODY else bytes(self._body)
        return Answer(status, self._headers, body, keeps)
