"""What operators decide for single job copies, and what becomes of it on the running service."""

from pathlib import Path

import pytest

from engine.catalog.jobs import streams
from engine.catalog.opening import open_catalog
from engine.catalog.values import JobValue
from engine.control import frontdoor
from engine.model.errors import UsageError
from engine.model.states import RequestKind
from tests.cell import SECOND, Cell
from tests.control.conftest import BIG, CHUNK_BYTES, CRAWL_BPS


def id_of(cell: Cell, name: bytes, copy: str = "offsite") -> int:
    return cell.ledger(copy)[name].backup_job_id


def decide(cell: Cell, name: bytes, decision: str, copy: str = "offsite") -> None:
    frontdoor.decide(cell.home, "databases", copy, [id_of(cell, name, copy)], decision, by="anna")


def media_file(cell: Cell, name: str) -> Path:
    [place] = cell.on_media().values()
    return place / "data" / name


def test_a_job_copy_that_is_there_is_copied_again_in_its_place(cell: Cell) -> None:
    cell.dump("one.dump", 2 << 20)
    cell.apply()
    cell.scan()
    cell.run()
    damaged = media_file(cell, "one.dump")
    damaged.chmod(0o600)
    damaged.write_bytes(b"\0" * (2 << 20))

    decide(cell, b"one.dump", "recopy")
    before = cell.ledger()[b"one.dump"]
    job = cell.run()
    after = cell.ledger()[b"one.dump"]
    again = cell.run()

    assert (before.state, before.decision, before.decided_by) == ("available", "recopy", "anna")
    assert (job.state, job.backup_jobs_done) == ("completed", 1)
    assert (after.state, after.decision) == ("available", "")
    assert (again.state, again.backup_jobs_total) == ("completed", 0)
    cell.assert_copied()
    place = cell.root / "vault/databases/offsite"
    assert list(place.glob(".*/*")) == []


def test_what_is_to_be_replaced_stays_available_when_its_source_fails(cell: Cell) -> None:
    dump = cell.dump("one.dump", 100_000)
    cell.apply()
    cell.scan()
    cell.run()
    kept = media_file(cell, "one.dump").read_bytes()
    decide(cell, b"one.dump", "recopy")
    dump.unlink()
    dump.mkdir()

    job = cell.run(retries=0)

    line = cell.ledger()[b"one.dump"]
    assert job.state == "completed_with_errors"
    assert (line.state, line.decision) == ("available", "recopy")
    assert media_file(cell, "one.dump").read_bytes() == kept


@pytest.mark.usefixtures("small_chunks")
def test_a_replacement_goes_on_after_a_crash_and_the_old_one_stays_until_then(cell: Cell) -> None:
    cell.dump("big.dump", BIG)
    cell.apply()
    cell.scan()
    cell.run()
    decide(cell, b"big.dump", "recopy")
    job_id = cell.start(throttle_bps=CRAWL_BPS)
    cell.journaled()

    cell.kill9()
    between = cell.ledger()[b"big.dump"].state
    cell.assert_copied()
    frontdoor.ensure_service(cell.home)
    frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, {"throttle_bps": None}, by="t")
    job = cell.wait(job_id)

    assert between == "available"
    assert job.state == "completed"
    assert job.bytes_reused >= CHUNK_BYTES
    assert cell.ledger()[b"big.dump"].decision == ""
    cell.assert_copied()


def test_a_job_copy_that_was_marked_bad_is_made_anew_on_request(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    cell.run()
    decide(cell, b"one.dump", "bad")
    bad = cell.ledger()[b"one.dump"]
    without = cell.run()

    decide(cell, b"one.dump", "recopy")
    job = cell.run()

    assert (bad.state, bad.decided_by) == ("bad", "anna")
    assert (without.state, without.backup_jobs_done) == ("completed", 0)
    assert (job.state, job.backup_jobs_done) == ("completed", 1)
    assert cell.ledger()[b"one.dump"].state == "available"
    cell.assert_copied()


MANUAL = """
[policies.databases.copies.chosen]
kind = "selective"
select = "manual"
library = "shelf"
"""


def test_a_manual_copy_gets_what_is_picked_also_after_a_restart(cell: Cell) -> None:
    for name in ("one.dump", "two.dump"):
        cell.dump(name)
    cell.apply(MANUAL)
    cell.scan()
    first = cell.run(copies=("chosen",))

    decide(cell, b"two.dump", "picked", "chosen")
    cell.kill9()
    second = cell.run(copies=("chosen",))

    assert (first.backup_jobs_total, second.backup_jobs_done) == (0, 1)
    states = {name: line.state for name, line in cell.ledger("chosen").items()}
    assert states == {b"one.dump": "do_not_copy", b"two.dump": "available"}


def test_what_shall_not_be_copied_is_not_until_the_rules_decide_again(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    decide(cell, b"one.dump", "do_not_copy")
    first = cell.run()
    line = cell.ledger()[b"one.dump"]

    decide(cell, b"one.dump", "")
    second = cell.run()

    assert (first.state, first.backup_jobs_total) == ("completed", 0)
    assert line.state == "do_not_copy"
    assert "anna" in line.reason
    assert second.backup_jobs_done == 1


def test_priorities_of_job_copies_order_the_next_run(cell: Cell) -> None:
    names = [b"1.dump", b"2.dump", b"3.dump"]
    for name in names:
        cell.dump(name.decode(), 3 << 20)
    cell.apply(streams=1)
    cell.scan()
    ids = [id_of(cell, name) for name in names]

    frontdoor.prioritise(cell.home, "databases", "offsite", [ids[2]], 0, by="anna")
    frontdoor.prioritise(cell.home, "databases", "offsite", [ids[0]], 9, by="anna")
    with pytest.raises(UsageError, match="priority 10"):
        frontdoor.prioritise(cell.home, "databases", "offsite", [ids[1]], 10, by="anna")

    # Ends may overlap; which one a single stream begins with does not depend on the host's load.
    begun = []
    for name in reversed(names):
        job_id = cell.start(throttle_bps=256 << 10)
        begun.append(_first_begun(cell, job_id))
        frontdoor.request(cell.home, RequestKind.KILL, job_id, {}, by="anna")
        cell.wait(job_id)
        decide(cell, name, "do_not_copy")
    assert begun == [ids[2], ids[1], ids[0]]


def _first_begun(cell: Cell, job_id: int) -> int:
    """The backup job that the stream of a run begins with."""
    catalog = open_catalog(cell.home)
    found: list[int] = []

    def is_seen(job: JobValue) -> bool:
        with catalog.read() as session:
            found.extend(s.backup_job_id for s in streams(session, job.id) if s.backup_job_id)
        return bool(found)

    try:
        cell.until(job_id, is_seen)
    finally:
        catalog.close()
    return found[0]


def test_fulls_first_gives_up_after_three_tries_and_tries_again_on_request(cell: Cell) -> None:
    dump = cell.dump("one.dump")
    cell.apply()
    cell.scan()
    dump.unlink()
    dump.mkdir()  # not even root can read this as a file

    tries = []
    for _ in range(4):
        job = cell.run(fulls_first=True, retries=0)
        tries.append((job.state, cell.ledger()[b"one.dump"].tries))
    last = cell.ledger()[b"one.dump"]
    decide(cell, b"one.dump", "picked")
    cell.run(fulls_first=True, retries=0)

    assert tries == [("completed_with_errors", count) for count in (1, 2, 3, 3)]
    assert "left out after 3 failed tries" in last.reason
    assert cell.ledger()[b"one.dump"].tries == 4


def test_a_conflicting_run_is_refused_where_the_commcell_says_so(cell: Cell) -> None:
    cell.dump("one.dump", BIG)
    cell.apply(commcell="queue_conflicting_auxcopy_jobs = false")
    cell.scan()
    first = cell.start(throttle_bps=CRAWL_BPS)
    cell.until(first, lambda job: job.state == "running")

    for scalable in (True, False):
        with pytest.raises(UsageError, match=f"job {first} copies to offsite"):
            cell.start(scalable=scalable)
    cell.start(start_suspended=True)  # holds nothing until it is resumed
    frontdoor.request(cell.home, RequestKind.THROTTLE, first, {"throttle_bps": None}, by="t")
    cell.wait(first)

    assert cell.run().state == "completed"


def without_source(cell: Cell) -> None:
    """The owner takes the dump away after it was copied; the scan has seen it."""
    (cell.landing / "one.dump").unlink()
    cell.dump("two.dump")
    cell.scan()


def test_a_bad_job_copy_whose_source_is_gone_is_not_given_up(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply(SECOND)
    cell.scan()
    cell.run()
    without_source(cell)
    decide(cell, b"one.dump", "bad")

    with pytest.raises(UsageError, match=r"its source primary does not have it \(aged\)") as first:
        decide(cell, b"one.dump", "recopy")
    decide(cell, b"one.dump", "bad", "second")
    with pytest.raises(UsageError, match="does not have it") as second:
        decide(cell, b"one.dump", "recopy")
    line = cell.ledger()[b"one.dump"]
    verified = cell.wait(
        frontdoor.run_verification(cell.home, "databases", "offsite", "all", by="test")
    )
    proved = cell.ledger()[b"one.dump"]

    job = line.backup_job_id
    assert first.value.hint == f"second has it: auxtui repair databases/offsite {job}"
    assert f"auxtui restore {job} --copy offsite" in second.value.hint
    assert (line.state, line.decision) == ("bad", "bad")
    assert len(cell.on_media()) == 1
    assert verified.state == "completed"
    assert (proved.state, proved.decision, proved.verification) == ("available", "", "good")


def test_what_is_bad_stays_so_until_it_is_replaced(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    cell.run()
    decide(cell, b"one.dump", "bad")
    decide(cell, b"one.dump", "recopy")
    between = cell.ledger()[b"one.dump"]
    without_source(cell)
    job = cell.run()
    kept = cell.ledger()[b"one.dump"]

    assert (between.state, between.decision) == ("bad", "recopy")
    assert job.state == "completed"
    assert kept.state == "bad"
    assert kept.backup_job_id in cell.on_media()


def test_a_pick_without_effect_is_refused(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply(SECOND + "active = false\n")
    cell.scan()
    cell.run()

    with pytest.raises(UsageError, match="is on copy offsite already"):
        decide(cell, b"one.dump", "picked")
    job = [id_of(cell, b"one.dump")]
    with pytest.raises(UsageError, match="copy second is not active"):
        frontdoor.decide(cell.home, "databases", "second", job, "picked", by="anna")
    cell.apply(SECOND)
    without_source(cell)
    with pytest.raises(UsageError, match="its source primary does not have it"):
        frontdoor.decide(cell.home, "databases", "second", job, "picked", by="anna")
    decide(cell, b"one.dump", "bad")
    with pytest.raises(UsageError, match="on copy offsite and bad"):
        decide(cell, b"one.dump", "picked")
