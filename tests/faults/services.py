"""Starts services for fault rounds, waits for them and ends them; nothing here sleeps a fixed time."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.catalog.home import Home
from engine.control import asking, outbox, service, starting
from engine.control.lock import is_held
from engine.model import entries
from tests.faults.nursery import PACKET_BYTES

READY_S = 240.0
END_S = 240.0
PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Service:
    """A service process of one round."""

    pid: int
    ready: int
    process: int
    """A descriptor of the process (pidfd): it stays right when the id is used again."""

    def wait_ready(self) -> str:
        """Waits for its word; empty when it died before it said one, `ready` when it serves."""
        said = b""
        while not said.endswith(b"\n"):
            assert select.select([self.ready], [], [], READY_S)[0], "the service says nothing"
            part = os.read(self.ready, 65536)
            if not part:
                break
            said += part
        text = said.decode().strip()
        return str(json.loads(text)["error"]) if text.startswith("{") else text

    def is_alive(self) -> bool:
        """True until the process has ended."""
        return not select.select([self.process], [], [], 0)[0]

    def wait_end(self, within_s: float = END_S) -> None:
        """Waits until the process has ended."""
        assert select.select([self.process], [], [], within_s)[0], "the service does not end"

    def kill(self) -> None:
        """Kills it at once and waits until it is gone."""
        if self.is_alive():
            signal.pidfd_send_signal(self.process, signal.SIGKILL)
        self.wait_end()

    def close(self) -> None:
        """Kills it if it lives, and closes what is held of it."""
        self.kill()
        os.close(self.ready)
        os.close(self.process)


@contextmanager
def no_successor() -> Iterator[None]:
    """A service that dies right after its answer is not replaced by whoever reads that answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "ensure_service", lambda _: None)
        yield


class Nursery:
    """The process that forks services; see `tests.faults.nursery`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: socket.socket | None = None  # it begins with the first service
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, home: Home, **stage: Any) -> Service:
        """Forks a service; it is not ready yet. `stage`: see `tests.faults.staging.apply`."""
        read_end, write_end = os.pipe()
        log = os.open(home.service_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            request = json.dumps({"home": str(home.path), **stage}).encode()
            with self._lock:  # a console starts services in threads
                requests = self._requests or self._begin()
                socket.send_fds(requests, [request], [write_end, log])
                answer, (process,), _, _ = socket.recv_fds(requests, PACKET_BYTES, 1)
        finally:
            os.close(write_end)
            os.close(log)
        return Service(int(answer), read_end, process)

    def start_as_asked(self, home: Home) -> None:
        """What `engine.control.starting.start_detached` does, without its import of everything.

        The service has the environment, the looks and the chunks of the test.
        """
        if is_held(home.service_lock):
            return
        stage = {
            "tick_s": service.TICK_S,
            "outbox_s": outbox.POLL_S,
            "chunk_bytes": entries.MIN_CHUNK_BYTES,
        }
        started = self.start(home, environ=dict(os.environ), **stage)
        try:
            starting._await_readiness(home, started.ready)
        finally:
            os.close(started.ready)
            os.close(started.process)

    def close(self) -> None:
        """Ends the nursery; its services die with it."""
        if self._requests is not None and self._process is not None:
            self._requests.close()
            self._process.wait(END_S)

    def _begin(self) -> socket.socket:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=PROJECT,
            )
        return self._requests
