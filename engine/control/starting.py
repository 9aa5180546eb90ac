"""Starts the service as a process of its own and hands over when it is ready.

The child has its own session and no terminal, so that closing the console, losing the SSH line or
killing them changes nothing for it. The parent learns through a pipe that the service is ready,
or why it is not.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time

from engine.catalog.home import Home
from engine.control.lock import is_held
from engine.model.errors import ServiceError

READY_TIMEOUT_S = 30.0  # a migration of a large catalog is in it


def start_detached(home: Home) -> None:
    """Starts the service unless one runs already; returns when it answers.

    Raises:
        ServiceError: it could not start; the message is the service's own.
    """
    if is_held(home.service_lock):
        return
    read_end, write_end = os.pipe()
    try:
        with open(home.service_log, "ab", opener=_private) as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "engine.control", str(home.path), str(write_end)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(write_end,),
                cwd="/",
                env=_environment(),
            )
        # Reaped whenever it ends, so that a console that stays keeps no zombie of it.
        threading.Thread(target=process.wait, daemon=True, name="service-reaper").start()
    finally:
        os.close(write_end)
    try:
        _await_readiness(home, read_end)
    finally:
        os.close(read_end)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _environment() -> dict[str, str]:
    """The present environment with the paths that this process imports from."""
    paths = [path for path in sys.path if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _await_readiness(home: Home, descriptor: int) -> None:
    deadline_mono_s = time.monotonic() + READY_TIMEOUT_S
    answer = b""
    while True:
        left_s = deadline_mono_s - time.monotonic()
        if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
            raise ServiceError(
                f"the service did not answer within {READY_TIMEOUT_S:.0f} s",
                hint=f"its log: {home.service_log}",
            )
        part = os.read(descriptor, 65536)
        answer += part
        if not part or answer.endswith(b"\n"):
            break
    if answer.strip() == b"ready" or (not answer and is_held(home.service_lock)):
        return
    _raise_what_it_said(home, answer)


def _raise_what_it_said(home: Home, answer: bytes) -> None:
    try:
        said = json.loads(answer)
        message, hint = str(said["error"]), str(said["hint"])
    except (ValueError, KeyError, TypeError):
        message, hint = "the service ended before it was ready", ""
    if is_held(home.service_lock):
        return  # two consoles started it at the same time: the other one won
    raise ServiceError(message, hint=hint or f"its log: {home.service_log}")
