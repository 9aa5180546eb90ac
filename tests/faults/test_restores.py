"""A restore that is interrupted goes on with what it made itself, and leaves nothing half-written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.model.states import RequestKind
from tests.faults.estate import CHUNK_BYTES, Estate
from tests.faults.oracle import Tree, ledger_of, tree_of
from tests.faults.services import no_successor
from tests.faults.test_destinations import mounted_tmpfs

FILES = 12


@pytest.fixture
def copied(estate: Estate) -> Estate:
    """A tree of small and large files on both copies."""
    for number in range(FILES):
        size = 12 * CHUNK_BYTES if number % 6 == 0 else 1 + 9000 * number
        estate.cell.dump(f"tree/deep{number % 3}/{number:02}", size)
    (estate.cell.landing / "tree/link").symlink_to("deep0/00")
    os.link(estate.cell.landing / "tree/deep1/01", estate.cell.landing / "tree/deep1/hard")
    estate.oracle.knows(b"tree")
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.run()
    estate.until(estate.is_settled)
    return estate


def restore(estate: Estate, to: Path, *, overwrite: bool = False) -> int:
    """Starts a restore from the first copy alone."""
    with no_successor():
        return frontdoor.run_restore(
            estate.cell.home,
            ledger_of(estate.cell.home.path)[0].backup_job_id,
            to=str(to),
            copy="offsite",
            path_globs=(),
            overwrite=overwrite,
            by="test",
        )


def assert_restored(estate: Estate, to: Path) -> None:
    """Everything is there, and nothing else."""
    job = estate.jobs()[-1]
    assert job["state"] == "completed", job["reason"]
    assert without_root(to) == without_root(estate.cell.landing)


def without_root(path: Path) -> Tree:
    """A tree but for its root, whose times and mode are nobody's business."""
    found = tree_of(bytes(path))
    del found[b""]
    return found


@pytest.mark.parametrize("nth", [1, 4, 9, 15, 20, 26])
def test_a_restore_that_is_killed_goes_on(copied: Estate, nth: int) -> None:
    back = copied.root / "back"
    copied.start_ready(kill={"nth": nth, "after": True}, below=str(back))
    restore(copied, back)
    copied.until_settled_or_dead()

    assert copied.finish() == []

    assert_restored(copied, back)


@pytest.mark.soak  # the throttle must come before the end of a short restore
def test_a_restore_that_is_suspended_goes_on(copied: Estate) -> None:
    back = copied.root / "back"
    home = copied.cell.home
    job_id = restore(copied, back)
    frontdoor.request(home, RequestKind.THROTTLE, job_id, {"throttle_bps": 2 << 20}, by="test")
    copied.until(lambda: back.is_dir() and any(path.is_file() for path in back.rglob("*")))

    frontdoor.request(home, RequestKind.SUSPEND, job_id, {}, by="test")
    copied.until(lambda: copied.jobs()[-1]["state"] == "suspended")
    frontdoor.request(home, RequestKind.THROTTLE, job_id, {"throttle_bps": None}, by="test")
    frontdoor.request(home, RequestKind.RESUME, job_id, {}, by="test")
    copied.until(copied.is_settled)

    assert_restored(copied, back)


def test_a_restore_that_goes_on_replaces_only_what_it_made(copied: Estate) -> None:
    made = _killed_with_a_file_made(copied)
    made.write_bytes(b"somebody else's")

    copied.start_ready()
    copied.until(copied.is_settled)

    job = copied.jobs()[-1]
    assert job["state"] == "failed"
    assert "there is already" in job["reason"]
    assert made.read_bytes() == b"somebody else's"


def _killed_with_a_file_made(copied: Estate) -> Path:
    """Kills restores ever later, until one dies that has given a file its name; gives that file.

    At which call that is depends on how the threads of the restore take turns.
    """
    for nth in range(26, 60, 4):
        back = copied.root / f"back{nth}"
        copied.start_ready(kill={"nth": nth, "after": True}, below=str(back))
        restore(copied, back)
        assert copied.until_settled_or_dead()
        for path in sorted(back.rglob("*")):
            if path.is_file():
                return path
        copied.start_ready()
        copied.until(copied.is_settled)
        copied.stop()
    raise AssertionError("no restore was killed with a file made")


@pytest.mark.needs_root
def test_a_full_target_is_said_and_leaves_nothing_half_written(copied: Estate) -> None:
    back = copied.root / "back"
    back.mkdir()
    with mounted_tmpfs(back, "size=1m"):
        restore(copied, back)
        copied.until(copied.is_settled)

        job = copied.jobs()[-1]
        assert job["state"] in ("failed", "completed_with_errors")
        assert "no space left on device" in job["reason"]
        landing = without_root(copied.cell.landing)
        files = {path: what for path, what in without_root(back).items() if what[0] == "file"}
        assert {path: landing.get(path) for path in files} == files

        subprocess.run(["mount", "-o", "remount,size=64m", str(back)], check=True)
        (back / "tree").mkdir(exist_ok=True)
        (back / "tree/own").write_bytes(b"the user's")
        frontdoor.resubmit(copied.cell.home, job["id"], by="test")
        copied.until(copied.is_settled)
        assert (back / "tree/own").read_bytes() == b"the user's"
        (back / "tree/own").unlink()
        os.utime(back / "tree", ns=(0, (copied.cell.landing / "tree").stat().st_mtime_ns))
        assert_restored(copied, back)


def test_what_was_restored_is_the_users_a_restore_once_more_does_not_replace_it(
    copied: Estate,
) -> None:
    back = copied.root / "back"
    job_id = restore(copied, back)
    copied.until(copied.is_settled)
    assert_restored(copied, back)

    frontdoor.resubmit(copied.cell.home, job_id, by="test")
    copied.until(copied.is_settled)

    assert "there is already" in copied.jobs()[-1]["reason"]
