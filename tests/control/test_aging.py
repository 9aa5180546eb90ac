"""Data aging on the running service: retention, interlock, fuse, and a deletion that is never half."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta

import pytest

from engine.control import frontdoor
from engine.model.errors import NotFoundError, UsageError
from tests.cell import Cell
from tests.control.upkeep import (
    age,
    errors_of,
    events_of,
    pass_by,
    plan_of,
    quiet,
    repair,
    serving,
    verify,
    wait_until,
)

START = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
SHELF = """
[policies.databases.copies.second]
kind = "synchronous"
library = "shelf"
source = "offsite"
{keys}
"""

OTHER = """
[clients.db2.subclients.pg]
policy = "databases"
landing = "{root}/other"
settle = "0s"
"""


def dumps(cell: Cell, count: int, *, size: int = 1000) -> None:
    """One dump a day from START on."""
    for day in range(count):
        path = cell.dump(f"day{day:02}.dump", size)
        at = (START + timedelta(days=day)).timestamp()
        os.utime(path, (at, at))


def later(days: float) -> datetime:
    return START + timedelta(days=days)


def states(cell: Cell, copy: str = "offsite") -> dict[str, str]:
    return {os.fsdecode(name): line.state.value for name, line in cell.ledger(copy).items()}


def filled(cell: Cell, count: int, *, offsite: str, extra: str = "") -> None:
    dumps(cell, count)
    cell.apply(extra, offsite=offsite)
    with serving(cell, later(count)):
        cell.scan()
        assert cell.run().state == "completed"
    quiet(cell)


def test_what_is_over_goes_and_the_ledger_remembers(cell: Cell) -> None:
    filled(cell, 4, offsite='retain = "10d"\nretain_cycles = 1')
    with serving(cell, later(11.5)):
        dry = age(cell, dry_run=True)
        before = cell.on_media()
        job = age(cell)
        again = cell.run()

    assert "2 job copies would go" in dry.reason
    assert len(before) == 4
    assert (job.state, job.backup_jobs_done, job.bytes_done) == ("completed", 2, 2000)
    assert states(cell) == {
        "day00.dump": "aged",
        "day01.dump": "aged",
        "day02.dump": "available",
        "day03.dump": "available",
    }
    assert len(cell.on_media()) == 2
    assert not list((cell.root / "vault/databases/offsite/.removed").iterdir())
    assert (again.state, again.backup_jobs_total) == ("completed", 0)
    kept = cell.ledger()
    assert kept[b"day02.dump"].retained_by == "days"
    assert kept[b"day02.dump"].retain_until == later(12)
    assert kept[b"day03.dump"].retained_by == "cycles"
    assert len(list(cell.landing.iterdir())) == 4
    record = plan_of(cell, job.id)
    assert sum(one["ages"] for one in record["job_copies"]) == 2


def test_a_manifest_goes_with_the_last_copy_of_its_backup_job(cell: Cell) -> None:
    filled(cell, 4, offsite='retain = "10d"\nretain_cycles = 1')
    ids = {os.fsdecode(name): line.backup_job_id for name, line in cell.ledger().items()}

    def here() -> set[str]:
        return {name for name, number in ids.items() if cell.home.manifest(number).exists()}

    with serving(cell, later(11.5)):
        age(cell)
        aged = here()  # day00 and day01 are in the landing directory still
        for name in ("day00.dump", "day03.dump"):
            (cell.landing / name).rename(cell.root / name)
        cell.scan()
        ledger_says = states(cell, "primary")
        age(cell)
        gone = here()
        (cell.root / "day00.dump").rename(cell.landing / "day00.dump")  # with another ctime
        cell.scan()
        age(cell)

    assert aged == set(ids)
    assert (ledger_says["day00.dump"], ledger_says["day03.dump"]) == ("aged", "aged")
    assert gone == here() == set(ids) - {"day00.dump"}  # day03 is on the copy
    assert states(cell, "primary")["day00.dump"] == "aged"
    with pytest.raises(NotFoundError, match="aged"):
        frontdoor.browse(cell.home, job_id=ids["day00.dump"])


def test_a_worm_copy_gives_nothing_up_before_its_time(cell: Cell) -> None:
    filled(cell, 2, offsite='retain = "10d"\nretain_cycles = 0\nworm = true')
    job = cell.ledger()[b"day00.dump"].backup_job_id

    def decide(decision: str) -> None:
        frontdoor.decide(cell.home, "databases", "offsite", [job], decision, by="ann")

    with serving(cell, later(5)) as clock:
        with pytest.raises(UsageError, match="WORM copy 'offsite': kept until"):
            decide("recopy")  # what comes anew would take the place of what is there
        decide("bad")
        told = cell.ledger()[b"day00.dump"].next_step
        with pytest.raises(UsageError, match="WORM copy 'offsite': kept until"):
            decide("recopy")
        with pytest.raises(UsageError, match="cannot be lowered"):
            cell.apply("", offsite='retain = "9d"\nretain_cycles = 0\nworm = true')
        before = cell.on_media()
        assert repair(cell, job).state == "completed"
        assert cell.on_media() == before
        clock.set(later(30))
        decide("recopy")

    assert states(cell)["day00.dump"] == "available"
    assert told.startswith("repair it")


def test_nothing_goes_while_an_active_copy_waits_for_it(cell: Cell) -> None:
    filled(cell, 2, offsite='retain = "1d"')
    cell.apply(SHELF.format(keys='defer = "60d"'), offsite='retain = "1d"')
    with serving(cell, later(30)) as clock:
        age(cell)
        held = cell.ledger()[b"day00.dump"]
        released = frontdoor.release(cell.home, "databases", by="ann")
        job = age(cell, confirm=True)
        clock.set(later(90))
        cell.run()

    assert (held.state, held.retained_by) == ("available", "copy second")
    assert [(one["copy"], one["held_on"]) for one in released] == [("second", "offsite")] * 2
    assert job.backup_jobs_done == 2
    assert set(states(cell).values()) == {"aged"}
    assert set(states(cell, "second").values()) == {"do_not_copy"}
    assert cell.ledger("second")[b"day00.dump"].decided_by == "ann"
    (event,) = events_of(cell, "aging.released")
    assert "ann" in event.message


def test_a_source_waits_until_its_copy_is_verified_where_that_is_asked(cell: Cell) -> None:
    second = SHELF.format(keys='verify = "within 30d"')
    filled(cell, 1, offsite='retain = "1d"', extra=second)
    with serving(cell, later(10)):
        held = age(cell)
        verify(cell, copy="second")
        job = age(cell, confirm=True)

    assert (held.backup_jobs_done, job.backup_jobs_done) == (0, 1)


def test_the_last_good_one_is_kept_for_a_copy_that_has_it_damaged(cell: Cell) -> None:
    filled(cell, 1, offsite='retain = "1d"', extra=SHELF.format(keys='retain = "90d"'))
    (directory,) = cell.on_media("shelf", "second").values()
    (directory / "data/day00.dump").write_bytes(b"rotten")
    (cell.landing / "day00.dump").unlink()
    cell.dump("other.dump")
    with serving(cell, later(10)):
        cell.scan()
        verify(cell, copy="second")
        job = age(cell, confirm=True)  # so that it is not the fuse that keeps it
        repaired = cell.wait(
            frontdoor.repair(
                cell.home,
                "databases",
                "second",
                [cell.ledger()[b"day00.dump"].backup_job_id],
                by="test",
            )
        )
        after = age(cell, confirm=True)

    assert (job.backup_jobs_done, repaired.state) == (0, "completed")
    assert after.backup_jobs_done == 1


def test_too_much_at_once_stops_and_asks(cell: Cell) -> None:
    filled(cell, 14, offsite='retain = "2d"')
    with serving(cell, later(30)):
        job = age(cell)
        kept = len(cell.on_media())
        confirmed = age(cell, confirm=True)

    assert (job.state, job.exit_code, kept) == ("completed_with_errors", 1, 14)
    assert "14 of its 14 job copies would go at once" in job.reason
    (error,) = errors_of(cell, job.id)
    assert "auxtui aging --confirm" in error.hint
    assert len(events_of(cell, "aging.fuse")) == 1
    assert (confirmed.state, confirmed.backup_jobs_done) == ("completed", 14)
    assert cell.on_media() == {}


def test_a_source_that_shrank_or_vanished_stops_it(cell: Cell) -> None:
    filled(cell, 4, offsite='retain = "2d"')
    cell.dump("day99.dump", 10)
    with serving(cell, later(30)):
        cell.scan()
        shrank = age(cell)
        (cell.landing / "day99.dump").unlink()
        os.rename(cell.landing, cell.root / "away")
        cell.scan()
        vanished = age(cell)

    assert "its newest full has 10 B" in shrank.reason
    assert "its source vanished" in vanished.reason
    assert len(cell.on_media()) == 4


def test_a_pin_outlives_retention(cell: Cell) -> None:
    filled(cell, 3, offsite='retain = "2d"')
    ids = [line.backup_job_id for _, line in sorted(cell.ledger().items())]
    with serving(cell, later(20)) as clock:
        frontdoor.retain(cell.home, "databases", "offsite", ids[:1], by="ann")
        frontdoor.retain(cell.home, "databases", "offsite", ids[1:2], by="bob", until=later(25))
        first = age(cell, confirm=True)
        pinned = cell.ledger()
        clock.set(later(26))
        second = age(cell, confirm=True)
        frontdoor.retain(cell.home, "databases", "offsite", ids[:1], by="ann", end=True)
        third = age(cell, confirm=True)
        with pytest.raises(UsageError, match="is not on copy offsite"):
            frontdoor.retain(cell.home, "databases", "offsite", ids, by="ann")

    assert [job.backup_jobs_done for job in (first, second, third)] == [1, 1, 1]
    assert pinned[b"day00.dump"].retained_by == pinned[b"day01.dump"].retained_by == "pin"
    assert pinned[b"day01.dump"].retain_until == later(25)


def test_an_offline_library_keeps_everything(cell: Cell) -> None:
    filled(cell, 2, offsite='retain = "1d"')
    marker = cell.root / "vault/auxtui-library.json"
    marker.rename(cell.root / "marker")
    with serving(cell, later(20)):
        job = age(cell, confirm=True)
        (cell.root / "marker").rename(marker)
        again = age(cell, confirm=True)

    assert (job.state, job.backup_jobs_failed) == ("completed_with_errors", 2)
    assert again.backup_jobs_done == 2


@pytest.mark.parametrize("stage", ["renamed", "removed"])
def test_a_crash_between_the_media_and_the_ledger_is_reconciled(cell: Cell, stage: str) -> None:
    """What the first phase leaves: the directory out of sight or gone, the ledger still available."""
    filled(cell, 1, offsite='retain = "1d"')
    (directory,) = cell.on_media().values()
    removed = cell.root / "vault/databases/offsite/.removed"
    removed.mkdir(exist_ok=True)
    directory.rename(removed / directory.name if stage == "renamed" else cell.root / "gone")
    with serving(cell, later(20)):
        job = age(cell, confirm=True)

    assert (job.state, job.backup_jobs_done) == ("completed", 1)
    line = cell.ledger()[b"day00.dump"]
    assert line.state == "aged"
    assert re.fullmatch(
        r"aged on \d{4}-\d\d-\d\d \d\d:\d\d UTC by job \d+; the copy keeps .+;"
        " it was not on the media any more",
        line.reason,
    )
    assert not list(removed.iterdir())


def test_a_copy_that_is_not_active_ages_too_and_by_itself(cell: Cell) -> None:
    filled(cell, 2, offsite='retain = "1d"\nretain_cycles = 1')
    cell.apply(offsite='retain = "1d"\nretain_cycles = 1\nactive = false')
    with serving(cell, later(4).replace(hour=11)) as clock:
        frontdoor.schedule(cell.home, "system-aging", "enable", by="test")
        pass_by(cell, clock, "system-aging", later(4).replace(hour=12))
        wait_until(lambda: states(cell)["day00.dump"] == "aged")

    assert states(cell)["day01.dump"] == "available"


def test_every_fuse_that_stops_is_an_error_and_no_failed_job_copy(cell: Cell) -> None:
    """Two subclients on one copy: each has a fuse of its own."""
    other = cell.root / "other"
    other.mkdir()
    for day in range(4):
        (other / f"{day}.dump").write_bytes(b"%d" % day)
        at = (START + timedelta(days=day)).timestamp()
        os.utime(other / f"{day}.dump", (at, at))
    second = OTHER.format(root=cell.root)
    filled(cell, 4, offsite='retain = "1d"\nretain_cycles = 1', extra=second)
    with serving(cell, later(30)):
        job = age(cell)

    assert (job.state, job.errors, job.backup_jobs_failed) == ("completed_with_errors", 2, 0)
    assert all("3 of its 4 cycles would go at once" in one.error for one in errors_of(cell, job.id))
    assert len(errors_of(cell, job.id)) == 2
    assert len(cell.on_media()) == 8


def test_promotion_is_refused_where_it_cannot_be(cell: Cell) -> None:
    filled(cell, 1, offsite="")
    with serving(cell):
        with pytest.raises(UsageError, match="what lands for db1/pg is the primary"):
            frontdoor.promote(cell.home, "databases", "offsite", by="test")
        with pytest.raises(UsageError, match="already"):
            frontdoor.promote(cell.home, "databases", "primary", by="test")


def kept_reasons(cell: Cell) -> set[str]:
    """What the dry run says of what does not go, on copy offsite."""
    lines = frontdoor.preview_aging(cell.home)["job_copies"]
    return {one["reason"] for one in lines if one["copy"] == "offsite" and not one["ages"]}


def without_landing(cell: Cell) -> None:
    """The owner takes the dumps away, as is usual; the scan has seen it."""
    for path in cell.landing.iterdir():
        path.unlink()
    cell.dump("zz-latest.dump")
    cell.scan()


def test_what_rests_on_a_copy_that_is_offline_stays_until_it_is_seen(cell: Cell) -> None:
    second = SHELF.format(keys='retain = "90d"')
    filled(cell, 4, offsite='retain = "1d"\nretain_cycles = 2', extra=second)
    marker = cell.root / "shelf/auxtui-library.json"
    with serving(cell, later(10)):
        without_landing(cell)
        marker.rename(cell.root / "marker")
        job, reasons = age(cell), kept_reasons(cell)
        kept = len(cell.on_media())
        (cell.root / "marker").rename(marker)
        after = age(cell)

    assert (job.state, job.backup_jobs_done, kept) == ("completed", 0, 4)
    assert "stays: second is offline" in reasons
    assert not any(reason.startswith("older") for reason in reasons)
    assert job.backup_jobs_skipped == 2
    assert after.backup_jobs_done == 2


def test_what_rests_on_a_job_copy_that_is_not_there_as_published_stays(cell: Cell) -> None:
    second = SHELF.format(keys='retain = "90d"')
    filled(cell, 6, offsite='retain = "1d"\nretain_cycles = 3', extra=second)
    first, other, *_ = (path for _, path in sorted(cell.on_media("shelf", "second").items()))
    first.rename(cell.root / "taken")
    (other / "manifest.jsonl.zst").write_bytes(b"another one")
    with serving(cell, later(10)):
        without_landing(cell)
        reasons, job = kept_reasons(cell), age(cell)

    assert {reason for reason in reasons if reason.startswith("stays")} == {
        "stays: its job copy on second is not there",
        "stays: the manifest of its job copy on second is not the one that was published",
    }
    assert job.backup_jobs_done == 1
    assert states(cell)["day02.dump"] == "aged"
    assert len(cell.on_media()) == 5


def test_a_landing_holds_only_what_is_still_there_as_adopted(cell: Cell) -> None:
    filled(cell, 6, offsite='retain = "1d"\nretain_cycles = 3')
    (cell.landing / "day00.dump").unlink()
    (cell.landing / "day01.dump").write_bytes(b"another dump")
    with serving(cell, later(10)):
        job, reasons = age(cell), kept_reasons(cell)

    assert job.backup_jobs_done == 1
    assert len(cell.on_media()) == 5
    assert len([reason for reason in reasons if "job copy on primary is not" in reason]) == 2


def test_a_copy_is_never_emptied_by_itself(cell: Cell) -> None:
    filled(cell, 3, offsite='retain = "2d"')
    with serving(cell, later(30)):
        dry, job = age(cell, dry_run=True), age(cell)
        kept = len(cell.on_media())
        document = frontdoor.preview_aging(cell.home)
        confirmed = age(cell, confirm=True)

    assert dry.reason == "0 job copies would go, 0 B; 3 more are stopped by the deletion fuse"
    assert (job.state, kept) == ("completed_with_errors", 3)
    assert "all 3 of its job copies would go" in job.reason
    stopped = [one for one in document["job_copies"] if one["stopped"]]
    assert [one["ages"] for one in stopped] == [False] * 3
    assert (confirmed.state, confirmed.backup_jobs_done) == ("completed", 3)


def test_the_newest_full_never_goes_by_itself(cell: Cell) -> None:
    filled(cell, 3, offsite='retain = "2d"')
    ids = [line.backup_job_id for _, line in sorted(cell.ledger().items())]
    with serving(cell, later(30)):
        frontdoor.retain(cell.home, "databases", "offsite", ids[:2], by="ann")
        job = age(cell)

    assert f"its newest full would go, backup job {ids[2]}" in job.reason
    assert len(cell.on_media()) == 3
