"""Threads of the engine: results, errors, reuse, and an end of the process that waits for none."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from engine.transfer.threads import DaemonThreads


def test_calls_that_wait_for_each_other_all_run():
    threads = DaemonThreads("test")
    barrier = threading.Barrier(20)

    futures = [threads.submit(barrier.wait) for _ in range(20)]

    assert sorted(future.result() for future in futures) == list(range(20))
    threads.shutdown()


def test_an_idle_thread_is_used_again():
    threads = DaemonThreads("test")
    names = set()
    for _ in range(50):
        names.add(threads.submit(lambda: threading.current_thread().name).result())

    assert len(names) < 10
    threads.shutdown()


def test_an_error_is_handed_to_who_waits():
    threads = DaemonThreads("test")

    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 // 0).result()

    assert threads.submit(str).result() == ""
    threads.shutdown()


def test_a_process_ends_although_a_thread_hangs():
    code = (
        "import threading; from engine.transfer.threads import DaemonThreads;"
        "DaemonThreads('t').submit(threading.Event().wait); print('end')"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)

    assert run.stdout == b"end\n"
