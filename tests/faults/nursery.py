"""A process that has imported the service once and forks it whenever a test needs one.

A start costs milliseconds, so that hundreds of rounds are affordable. Each service is a real
process in a session of its own; only the import is shared, and what `staging` puts in its way.

`python -m tests.faults.nursery FD`: requests come as JSON on a packet socket, each with the write
end of a readiness pipe and the log.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from engine.catalog.home import Home
from engine.control.service import run_service
from engine.library.objects import library as _stores  # noqa: F401 - imported once for all
from engine.library.sftp import library as _hosts  # noqa: F401 - imported once for all
from engine.model.clock import Clock
from engine.model.errors import AuxError
from engine.operations import restore
from tests.faults import staging
from tests.halfhours import keep_quiet
from tests.looks import look_often

PACKET_BYTES = 65536
_PR_SET_PDEATHSIG = 1


def serve(requests: socket.socket) -> None:
    """Forks a service for each request and answers with its id and pidfd, until the tests end."""
    gc.freeze()
    signal.signal(signal.SIGCHLD, _bury_the_dead)
    while True:
        data, descriptors, _, _ = socket.recv_fds(requests, PACKET_BYTES, 2)
        if not data:
            return
        ready, log = descriptors
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # not buried before its pidfd
        pid = os.fork()
        if pid == 0:
            requests.close()
            _be_a_service(json.loads(data), ready, log)
        os.close(ready)
        os.close(log)
        process = os.pidfd_open(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        socket.send_fds(requests, [str(pid).encode()], [process])
        os.close(process)


def _bury_the_dead(*_: object) -> None:
    """No process is left behind as a zombie: who looks for its id shall not find it."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def _be_a_service(spec: dict[str, Any], ready: int, log: int) -> NoReturn:
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.chdir("/")
        os.dup2(log, 1)
        os.dup2(log, 2)
        if "environ" in spec:
            os.environ.clear()
            os.environ.update(spec["environ"])
            time.tzset()
        if spec.get("traced"):
            _wait_for_tracer()
        staging.apply(spec)
        code = _run(Home(Path(spec["home"])), ready, staging.clock_of(spec))
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run(home: Home, ready: int, clock: Clock) -> int:
    """As `engine.control.__main__` does."""
    try:
        return run_service(home, on_ready=lambda: _say(ready, b"ready\n"), clock=clock)
    except AuxError as err:
        _say(ready, json.dumps({"error": err.message, "hint": err.hint}).encode() + b"\n")
        return err.exit_code


def _say(ready: int, message: bytes) -> None:
    try:
        os.write(ready, message)
        os.close(ready)
    except OSError:
        return


def _wait_for_tracer() -> None:
    while b"TracerPid:\t0\n" in Path("/proc/self/status").read_bytes():
        time.sleep(0.001)


if __name__ == "__main__":
    assert restore  # imported with the rest, so that no service imports it later
    for change in (keep_quiet, look_often):
        change(pytest.MonkeyPatch())
    serve(socket.socket(fileno=int(sys.argv[1])))
