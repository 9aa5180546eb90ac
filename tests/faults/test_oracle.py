"""The rounds are tested themselves: a tool that loses, tears, litters or lies must be caught."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.estate import CHUNK_BYTES, Estate
from tests.faults.oracle import published_in


@pytest.fixture
def copied(estate: Estate) -> Estate:
    """Two dumps, copied and well."""
    estate.add("one.dump", 3 * CHUNK_BYTES)
    estate.add("two.dump", 100)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.file_run()
    assert estate.finish() == []
    return estate


def copy_of(estate: Estate) -> Path:
    """Directory of the first job copy."""
    return published_in(estate.oracle.copies[0].place)[1]


def change_catalog(estate: Estate, sql: str) -> None:
    """Writes what a service that lies would."""
    with closing(sqlite3.connect(estate.cell.home.catalog)) as catalog, catalog:
        catalog.execute(sql)


def drop_a_byte(estate: Estate) -> None:
    os.truncate(copy_of(estate) / "data/one.dump", 3 * CHUNK_BYTES - 1)


def flip_a_bit(estate: Estate) -> None:
    path = copy_of(estate) / "data/one.dump"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def forget_the_time(estate: Estate) -> None:
    os.utime(copy_of(estate) / "data/one.dump")


def add_a_file(estate: Estate) -> None:
    (copy_of(estate) / "data/extra").write_bytes(b"")


def publish_without_a_manifest(estate: Estate) -> None:
    (copy_of(estate) / "manifest.jsonl.zst").unlink()


def put_the_manifest_of_another(estate: Estate) -> None:
    other = published_in(estate.oracle.copies[0].place)[2]
    shutil.copy(other / "manifest.jsonl.zst", copy_of(estate) / "manifest.jsonl.zst")


def believe_the_catalog(estate: Estate) -> None:
    shutil.rmtree(copy_of(estate))


def do_nothing(estate: Estate) -> None:
    estate.add("three.dump", 10)


def record_nothing(estate: Estate) -> None:
    change_catalog(
        estate,
        "UPDATE job_copy SET state = 'to_be_copied' WHERE backup_job_id = 1"
        " AND copy_id = (SELECT id FROM policy_copy WHERE name = 'offsite')",
    )


def leave_a_partial(estate: Estate) -> None:
    (estate.oracle.copies[0].place / ".partial/1/data").mkdir(parents=True)


def leave_a_lock(estate: Estate) -> None:
    (estate.oracle.copies[0].place / ".partial/9.lock").touch()


def leave_an_aside(estate: Estate) -> None:
    (estate.cell.home.manifests / "1.jsonl.zst.new").touch()


def leave_a_job_running(estate: Estate) -> None:
    change_catalog(estate, "UPDATE job SET state = 'running'")


def touch_the_source(estate: Estate) -> None:
    path = estate.cell.landing / "one.dump"
    path.chmod(path.stat().st_mode ^ 0o100)


def write_beside_the_source(estate: Estate) -> None:
    (estate.cell.landing / "one.dump").unlink()


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (drop_a_byte, "TORN"),
        (flip_a_bit, "TORN"),
        (forget_the_time, "TORN"),
        (add_a_file, "TORN"),
        (publish_without_a_manifest, "TORN"),
        (put_the_manifest_of_another, "TORN"),
        (believe_the_catalog, "LOST"),
        (do_nothing, "LIE"),
        (record_nothing, "LIE"),
        (leave_a_job_running, "LIE"),
        (leave_a_partial, "LITTER"),
        (leave_a_lock, "LITTER"),
        (leave_an_aside, "LITTER"),
        (touch_the_source, "SOURCE"),
        (write_beside_the_source, "SOURCE"),
    ],
)
def test_the_oracle_catches(copied: Estate, fault: Callable[[Estate], None], verdict: str) -> None:
    fault(copied)

    found = copied.oracle.examine(is_finished=True)

    assert [line for line in found if line.startswith(verdict)], found
