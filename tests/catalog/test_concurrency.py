"""Writers at once, and writers that are killed: nobody is told 'locked', nothing is half there."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.catalog import events, jobs
from engine.catalog.checking import check_catalog
from engine.catalog.connecting import connect_to
from engine.catalog.opening import open_catalog

HEAD = """
import sys
from pathlib import Path
from engine.catalog import events, jobs
from engine.catalog.home import Home
from engine.catalog.connecting import connect_to
from engine.catalog.opening import open_catalog
from engine.model.clock import system_clock
from engine.model.states import Severity
catalog = open_catalog(Home(Path(sys.argv[1])))

def note(session, text):
    events.add_event(
        session, severity=Severity.INFO, code="test", message=text, now=system_clock()
    )
"""
TAKE_MANY = """
print("ready", flush=True)
sys.stdin.readline()
for _ in range(25):
    with catalog.write() as session:
        events.events(session, limit=1)
        taken = jobs.next_id(session)
        note(session, str(taken))
    print(taken, flush=True)
catalog.close()
"""
TAKE_PAIRS = """
while True:
    with catalog.write() as session:
        first = jobs.next_id(session)
        note(session, str(first))
        second = jobs.next_id(session)
        note(session, str(second))
    print(second, flush=True)
"""
STAY_INSIDE = """
with catalog.write() as session:
    jobs.next_id(session)
    session.connection().exec_driver_sql("PRAGMA cache_size=10")
    for number in range(3000):
        note(session, "x" * 1000)
    print("inside", flush=True)
    sys.stdin.readline()
"""


def start(home, code):
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + code, str(home.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    rest, said = process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL, said
    return rest.split()


@pytest.fixture
def empty(home):
    open_catalog(home, create=True).close()
    return home


def test_two_processes_write_at_once(empty):
    processes = [start(empty, TAKE_MANY) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda process: process.communicate(timeout=240), processes))

    assert [process.returncode for process in processes] == [0, 0], ends
    taken = [int(word) for out, _ in ends for word in out.split()]
    assert sorted(taken) == list(range(1, 51))


def test_who_reads_to_write_keeps_other_writers_out(catalog, home):
    """A transaction that begins by reading and then writes would fail when another was quicker."""
    with catalog.write() as session, closing(connect_to(home.catalog)) as other:
        events.events(session)
        other.execute("PRAGMA busy_timeout=0")

        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert jobs.next_id(session) == 1


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_killed_writer_loses_nothing_it_acknowledged_and_leaves_no_half(empty, acknowledged):
    process = start(empty, TAKE_PAIRS)
    last = [process.stdout.readline() for _ in range(acknowledged)][-1]
    rest = kill(process)
    promised = int((rest or [last])[-1])

    with open_catalog(empty) as catalog, catalog.write() as session:
        noted = [int(event.message) for event in events.events(session)]
        following = jobs.next_id(session)

    assert noted == list(range(1, following))
    assert following % 2 == 1
    assert following > promised
    assert check_catalog(empty) == []


def test_killed_in_a_large_transaction_nothing_of_it_is_there(empty):
    process = start(empty, STAY_INSIDE)
    assert process.stdout.readline() == "inside\n"
    assert (empty.path / "catalog.db-wal").stat().st_size > 1_000_000
    kill(process)

    with open_catalog(empty) as catalog, catalog.write() as session:
        assert events.events(session) == []
        assert jobs.next_id(session) == 1
    assert check_catalog(empty) == []


def test_killed_writer_does_not_keep_others_out(empty):
    process = start(empty, STAY_INSIDE)
    assert process.stdout.readline() == "inside\n"
    with open_catalog(empty) as catalog:
        with catalog.read() as session:
            assert events.events(session) == []
        kill(process)
        with catalog.write() as session:
            assert jobs.next_id(session) == 1


@given(st.lists(st.integers(1, 8), min_size=1, max_size=6))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_ids_are_unique_and_without_gaps_over_threads(catalog, takes):
    def take(count):
        taken = []
        for _ in range(count):
            with catalog.write() as session:
                taken.append(jobs.next_id(session))
        return taken

    with catalog.write() as session:
        before = jobs.next_id(session)
    with ThreadPoolExecutor(len(takes)) as pool:
        by_thread = list(pool.map(take, takes))

    taken = sorted(number for numbers in by_thread for number in numbers)
    assert taken == list(range(before + 1, before + 1 + sum(takes)))
    assert all(numbers == sorted(numbers) for numbers in by_thread)
