"""Threads of the engine: results, errors, reuse, and an end of the process that waits for none."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from engine.transfer.io_priority import LOW, io_priority
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

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=240)

    assert run.stdout == b"end\n"


def test_threads_that_move_data_have_low_io_priority_and_no_others():
    before = io_priority()
    if before is None or before >> 13:
        pytest.skip("NOT PROVEN HERE: no I/O priorities, or one was chosen for this process")
    bulk, plain = DaemonThreads("bulk", is_bulk=True), DaemonThreads("plain")

    found = [threads.submit(io_priority).result(timeout=120) for threads in (bulk, plain)]

    assert found == [LOW, before]
    assert io_priority() == before
    for threads in (bulk, plain):
        threads.shutdown()


def test_an_io_priority_that_was_chosen_stays():
    chosen = 3 << 13  # idle
    script = (
        "from engine.transfer import io_priority as p; n = p._CALLS[p.platform.machine()][0];"
        f"p._libc.syscall(n, 1, 0, {chosen}); p.lower_io_priority(); print(p.io_priority())"
    )
    if io_priority() is None:
        pytest.skip("NOT PROVEN HERE: no I/O priorities")

    run = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE)

    assert int(run.stdout) == chosen
