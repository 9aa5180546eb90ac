"""A journal that was damaged proves nothing: its chunks are copied again, and nothing is published wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.estate import CHUNK_BYTES, CRAWL_BPS, LARGE_CHUNKS, Estate
from tests.faults.oracle import journal_chunks, query


def garbage(journal: Path) -> None:
    """Bytes of something else."""
    journal.write_bytes(b"\0\xff" * 500)


def empty(journal: Path) -> None:
    """A journal that lost everything."""
    journal.write_bytes(b"")


def cut_off(journal: Path) -> None:
    """The last line is torn."""
    journal.write_bytes(journal.read_bytes()[:-30])


def flipped_line(journal: Path) -> None:
    """One bit of a digest."""
    lines = journal.read_bytes().split(b"\n")
    line = bytearray(lines[2])
    line[-20] ^= 1
    journal.write_bytes(b"\n".join([*lines[:2], bytes(line), *lines[3:]]))


def flipped_header(journal: Path) -> None:
    """One bit of the first line."""
    text = bytearray(journal.read_bytes())
    text[40] ^= 1
    journal.write_bytes(bytes(text))


def lines_of_another(journal: Path) -> None:
    """A block of the journal of another job, as a confused file system may leave it."""
    lines = journal.read_bytes().split(b"\n")
    forged = b"0" * 16 + lines[1][16:].replace(b"[0,", b"[65536,")
    journal.write_bytes(b"\n".join([lines[0], forged, *lines[1:]]))


def missing(journal: Path) -> None:
    """No journal at all beside the data."""
    journal.unlink()


def data_missing(journal: Path) -> None:
    """The journal is whole, what it speaks of is gone."""
    shutil.rmtree(journal.with_name("data"))


def data_cut_off(journal: Path) -> None:
    """The journal is whole, the file is shorter than it says."""
    (journal.with_name("data") / "large.dump").write_bytes(b"short")


def data_is_a_link(journal: Path) -> None:
    """Somebody put a link where the file was: it must not be written through."""
    data = journal.with_name("data") / "large.dump"
    victim = journal.parents[5] / "victim"
    victim.write_bytes(b"precious")
    data.unlink()
    data.symlink_to(victim)


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        empty,
        cut_off,
        flipped_line,
        flipped_header,
        lines_of_another,
        missing,
        data_missing,
        data_cut_off,
    ],
)
def test_what_a_damaged_journal_said_is_copied_again(
    one_copy: Estate, damage: Callable[[Path], None]
) -> None:
    journal = killed_in_the_middle(one_copy)
    proven = sum(len(chunks) for chunks in journal_chunks(journal.parent).values())
    assert proven >= 3
    damage(journal)

    assert one_copy.finish() == []

    job = one_copy.jobs()[-1]
    assert job["state"] == "completed"
    keeps_some = damage in (cut_off, flipped_line, lines_of_another)
    assert (job["bytes_reused"] > 0) == keeps_some
    assert job["bytes_reused"] <= proven * CHUNK_BYTES


def test_a_damaged_line_is_an_event_of_the_job(one_copy: Estate) -> None:
    flipped_line(killed_in_the_middle(one_copy))

    one_copy.finish()

    rows = query(one_copy.cell.home.path, "SELECT message FROM event")
    assert any("lines of the journal were damaged" in row["message"] for row in rows)


def test_a_link_in_place_of_a_file_is_never_written_through(one_copy: Estate) -> None:
    data_is_a_link(killed_in_the_middle(one_copy))
    victim = one_copy.root / "victim"

    one_copy.start_ready(retry_delays_s=[0.02] * 5)
    one_copy.until(one_copy.is_settled)

    assert victim.read_bytes() == b"precious"
    assert one_copy.oracle.examine(is_finished=False) == []


def killed_in_the_middle(estate: Estate) -> Path:
    """Kills the service when some chunks of a large dump are journaled; returns the journal."""
    estate.add("large.dump", LARGE_CHUNKS * CHUNK_BYTES)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.run(throttle_bps=CRAWL_BPS, streams=1)
    partials = estate.oracle.copies[0].place / ".partial"

    def has_some() -> bool:
        return any(len(c) >= 4 for p in partials.glob("*") for c in journal_chunks(p).values())

    estate.until(has_some)
    estate.end()
    estate.release()
    return next(partials.glob("*/journal"))
