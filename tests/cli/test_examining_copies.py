"""What the doctor says of job copies, media and landing entries; each fault is made for real."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from auxtui.cli.examining import examine
from auxtui.health import troubles
from engine.catalog import activity, config, ledger
from engine.catalog.live import LiveCatalog
from engine.catalog.opening import open_catalog
from engine.catalog.values import Finding
from engine.model.clock import system_clock
from engine.model.states import JobCopyState, Severity
from tests.cell import Cell


def found_in(cell: Cell, word: str) -> list[Finding]:
    return [finding for finding in examine(cell.home) if word in finding.what]


def attention(cell: Cell) -> list[Finding]:
    return [finding for finding in examine(cell.home) if finding.severity is not Severity.INFO]


def test_what_happened_to_job_copies_is_said_until_it_is_mended(cell: Cell) -> None:
    one = cell.dump("one.dump")
    cell.dump("job/a")
    os.mkfifo(cell.landing / "job" / "pipe")
    cell.apply()
    cell.scan()
    away = cell.root / "away"
    one.rename(away)
    job = cell.run()
    assert job.state == "completed_with_errors"

    (failed,) = found_in(cell, "databases/offsite lacks 1 backup job")
    assert failed.severity is Severity.WARNING
    assert "the last try failed: " in failed.what
    assert failed.hint
    (run,) = found_in(cell, "the last run, job")
    assert f"auxtui job show {job.id}" in run.hint
    assert [f.severity for f in found_in(cell, "1 incomplete")] == [Severity.WARNING] * 2

    (directory,) = cell.on_media().values()
    shutil.rmtree(directory)
    (gone,) = found_in(cell, "not found in library vault")
    assert gone.severity is Severity.ERROR
    assert "auxtui verify databases/offsite" in gone.hint

    with open_catalog(cell.home) as catalog, catalog.write() as session:
        policy = config.policy(session, "databases")
        copy = next(c for c in config.copies(session, policy.id) if c.name == "offsite")
        bad = int(directory.name)
        state = JobCopyState.BAD
        ledger.set_state(session, copy.id, bad, state, "its digest is wrong", "re-copy it")
    (finding,) = found_in(cell, "1 bad job copy")
    assert finding.severity is Severity.ERROR
    assert "its digest is wrong" in finding.what
    assert finding.hint == "re-copy it"


def test_what_is_left_in_the_landing_directory_is_said(cell: Cell) -> None:
    (cell.landing / "latest").symlink_to("one.dump")
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    assert attention(cell) == []
    (link,) = found_in(cell, "latest: it is a symbolic link")
    assert link.severity is Severity.INFO

    deep = cell.landing / "deep" / "/".join("d" * 70)
    deep.mkdir(parents=True)
    cell.scan()

    (finding,) = attention(cell)
    assert "1 entry is left, not protected: deep: not adopted" in finding.what
    with LiveCatalog(cell.home.catalog) as live:
        (said,) = (one.text for one in troubles(live.estate(), None) if "left" in one.text)
    assert said == "subclient db1/pg: 1 entry is left, not protected"  # in the console too
    assert "auxtui scan db1/pg" in finding.hint


def test_one_disk_for_both_is_a_remark(cell: Cell) -> None:
    cell.apply()

    (finding,) = found_in(cell, "library vault lies on the same file system")

    assert finding.severity is Severity.INFO
    assert "the landing directory of db1/pg" in finding.what
    assert attention(cell) == []


def test_a_library_that_cannot_be_written_is_an_error(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.library.local import LocalLibrary
    from engine.model.errors import DestinationWrite

    def read_only(self: LocalLibrary) -> list[object]:
        raise DestinationWrite("cannot write: read-only file system")

    cell.apply()
    monkeypatch.setattr(LocalLibrary, "try_out", read_only)

    findings = found_in(cell, "library vault cannot be written")

    assert [finding.severity for finding in findings] == [Severity.ERROR]
    assert findings[0].hint


def test_why_a_library_was_never_marked_is_an_error(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("engine.library.marker.Marker.write", denied)
    monkeypatch.setattr("engine.library.local_trying.create_file", lambda *_, **__: denied())
    cell.apply()

    (finding,) = found_in(cell, "library vault was never marked")

    assert "permission denied" in finding.what
    assert "write permission" in finding.hint
    assert "apply the site file again" in finding.hint


def test_what_is_switched_off_is_said(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    with open_catalog(cell.home) as catalog, catalog.write() as session:
        activity.switch_off(session, "commcell", off_until=None, by="ann", now=system_clock())

    (finding,) = attention(cell)

    assert finding.what.startswith("the CommCell is switched off with no end: activity")
    assert finding.hint == "auxtui activity on commcell"
