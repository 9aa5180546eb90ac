"""A proxy between a client and a store: it flips, loses, delays and refuses what it is told to.

It can also verify checksums for a server that does not, as real stores do.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message>'
    "<RequestId>x</RequestId></Error>"
)


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def is_part(self) -> bool:
        """True for a part of a multipart upload."""
        return self.is_data() and "partNumber=" in self.path

    def is_data(self) -> bool:
        """True for a body of a job copy on its way up."""
        is_data = "/data/" in self.path or "/data." in self.path
        return self.method == "PUT" and is_data and bool(self.body)


Match = Callable[[Request], bool]


@dataclass
class Fault:
    """Happens to requests that match, the next `times` of them."""

    what: str
    """flip, reset, lost, short, freeze, unlocked, or an error: a status, a space and a code."""
    match: Match
    times: int = 1_000_000


@dataclass
class Proxy:
    """A running proxy."""

    endpoint: str
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    verifies: set[str] = field(default_factory=set)
    """Of sha256, md5, payload: what a wrong body is refused for."""
    thaw: threading.Event = field(default_factory=threading.Event)
    frozen: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, what: str, match: Match = Request.is_data, times: int = 1_000_000) -> Fault:
        """Plans a fault."""
        made = Fault(what, match, times)
        self.faults.append(made)
        return made

    def take(self, request: Request) -> str:
        """Notes a request; what shall happen to it."""
        with self.lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault.times and fault.match(request):
                    fault.times -= 1
                    return fault.what
        return ""

    def sent(self, match: Match) -> int:
        """Bytes of the bodies of the requests that match."""
        with self.lock:
            return sum(len(one.body) for one in self.requests if match(one))

    def count(self, match: Match) -> int:
        """How many requests match."""
        with self.lock:
            return sum(map(match, self.requests))


@contextmanager
def proxy_to(endpoint: str) -> Iterator[Proxy]:
    """A proxy in front of a server."""
    host = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            what = proxy.take(request)
            if what == "reset":
                self._reset()
                return
            if what == "freeze":
                proxy.frozen.set()
                proxy.thaw.wait(60)
                self._reset()
                return
            if what[:1].isdigit():
                status, _, code = what.partition(" ")
                self._answer(int(status), {}, ERROR.format(code=code).encode())
                return
            if what == "flip":
                body = body[:-1] + bytes([body[-1] ^ 1])
            if not self._is_right(body):
                self._answer(400, {}, ERROR.format(code="BadDigest").encode())
                return
            status, headers, data = self._forward(body)
            if what == "unlocked":
                headers = {k: v for k, v in headers.items() if "object-lock" not in k.lower()}
            if what == "lost":
                self._reset()
            elif what == "short":
                self._answer(status, headers, data[: len(data) // 2], length=len(data))
                self._reset()
            else:
                self._answer(status, headers, data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's

        def _is_right(self, body: bytes) -> bool:
            wanted = {
                "sha256": self.headers.get("x-amz-checksum-sha256"),
                "md5": self.headers.get("Content-MD5"),
                "payload": self.headers.get("x-amz-content-sha256"),
            }
            found: dict[str, Any] = {
                "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
                "md5": base64.b64encode(hashlib.md5(body).digest()).decode(),  # noqa: S324
                "payload": hashlib.sha256(body).hexdigest(),
            }
            return all(wanted[one] in (None, found[one]) for one in proxy.verifies)

        def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            upstream = http.client.HTTPConnection(host, timeout=60)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers.items()))
                answer = upstream.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                upstream.close()

        def _answer(
            self, status: int, headers: dict[str, str], data: bytes, length: int | None = None
        ) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            if self.command == "HEAD":
                length = int(headers.get("Content-Length", headers.get("content-length", 0)))
            self.send_header("Content-Length", str(len(data) if length is None else length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
            self.wfile.flush()

        def _reset(self) -> None:
            self.close_connection = True
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

        def finish(self) -> None:
            try:
                super().finish()
            except OSError:
                return  # it was reset

        def log_message(self, *_: object) -> None:
            """Nothing: tests look at `requests`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A client that went away, or was sent away."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.thaw.set()
        server.shutdown()
        server.server_close()
        thread.join()
