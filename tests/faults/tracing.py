"""Interferes with a service from outside, by strace: the true system calls, those of SQLite too."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.faults.estate import Estate
from tests.faults.services import END_S, Service

requires_strace = pytest.mark.skipif(
    not shutil.which("strace"), reason="NOT TESTED: system calls are interfered with by strace"
)


@contextmanager
def traced(
    estate: Estate, *inject: str, paths: Sequence[bytes | str] = (), **stage: object
) -> Iterator[Service]:
    """Starts a service whose system calls are interfered with from its first step on.

    Args:
        estate: whose service.
        inject: as of `strace -e inject=`; counted for each thread by itself.
        paths: only calls on these paths.
        stage: see `tests.faults.staging.apply`.
    """
    service = estate.start(traced=True, **stage)
    calls = ",".join(one.partition(":")[0] for one in inject)
    command: list[bytes | str] = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}"]
    for one in inject:
        command += ["-e", f"inject={one}"]
    for path in paths:
        command += ["-P", path]
    tracer = subprocess.Popen([*command, "-p", str(service.pid)], stderr=subprocess.DEVNULL)
    try:
        yield service
    finally:
        estate.end()
        tracer.wait(END_S)
