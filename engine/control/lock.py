"""One service per catalog: a `flock` on a file that is never unlinked.

The lock lives exactly as long as its holder, whatever kills it; the file's content only informs.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.model.errors import ServiceError

LOOKING_S = 5.0  # who holds it shared for longer does not only look


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, as written by the holder itself."""

    pid: int
    host: str
    since: str


class ServiceLock:
    """Held from construction to `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Takes the lock.

        Raises:
            ServiceError: another service holds it; the message names it.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _taken(self._descriptor):
            os.close(self._descriptor)
            holder = read_holder(path)
            who = f"pid {holder.pid} on {holder.host} since {holder.since}" if holder else "unknown"
            raise ServiceError(
                f"a service runs already on this catalog: {who}",
                hint="use it, or stop it with `auxtui service stop`",
            )
        content = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(content).encode(), 0)

    def release(self) -> None:
        """Lets the lock go; the file stays."""
        os.close(self._descriptor)


def _taken(descriptor: int) -> bool:
    """Takes the lock; False when a service holds it.

    Whoever only looks (`is_held`) holds it shared for an instant, and must not keep a service from
    starting: a lock that can be shared is held by nobody who stays.
    """
    end = time.monotonic() + LOOKING_S
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if time.monotonic() > end:
            return False
        time.sleep(0.001)


def is_held(path: Path) -> bool:
    """True while a service runs on this catalog, whoever started it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_holder(path: Path) -> Holder | None:
    """What the holder wrote; None when there is nothing readable."""
    try:
        content = json.loads(path.read_bytes())
        return Holder(int(content["pid"]), str(content["host"]), str(content["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
