"""Real receivers of alerts, in threads: a mail server and a web server that remember what came."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Web:
    """A web server; `answers` are the codes of the next requests, then 200."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    bodies: list[tuple[str, str]] = field(default_factory=list)
    """Path and body of what was accepted."""
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.bodies]

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Step and kind of every message, in order."""
        return [(one["step"], one["kind"]) for all_ in self.documents for one in all_["messages"]]


@contextmanager
def web_server() -> Iterator[Web]:
    """Serves until the block ends."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            code = web.answers.pop(0) if web.answers else 200
            if code == 200:  # before the answer: whoever has it finds what it sent here
                web.headers.append(dict(self.headers))
                web.bodies.append((self.path, body))
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mail:
    """A mail server that speaks as much SMTP as is needed."""

    port: int = 0
    refused: set[str] = field(default_factory=set)
    letters: list[str] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[Mail]:
    """Serves until the block ends."""
    mail = Mail()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            to: list[str] = []
            self._say("220 test")
            while line := self.rfile.readline().decode().strip():
                word = line.upper()
                if word.startswith("RCPT"):
                    address = line.partition("<")[2].partition(">")[0]
                    if address in mail.refused:
                        self._say("550 no such user")
                        continue
                    to.append(address)
                elif word == "DATA":
                    self._say("354 go on")
                    mail.letters.append(self._data())
                    mail.recipients.append(to)
                elif word == "QUIT":
                    self._say("221 bye")
                    return
                self._say("250 ok")

        def _data(self) -> str:
            lines: list[str] = []
            while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                lines.append(line)
            return "\n".join(lines)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield mail
        finally:
            server.shutdown()
            thread.join()
