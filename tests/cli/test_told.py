"""What commands tell beside their tables: nothing older than it looks, nothing counted that means nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from auxtui.cli.copies import chosen_copies, show_ledger, standing_line
from auxtui.cli.times import Times
from auxtui.cli.waiting import ended_line, error_line
from engine.catalog.live import LiveCatalog
from engine.catalog.live_values import LedgerFilter
from engine.catalog.running_values import JobErrorValue
from engine.catalog.watch_values import CopyStanding
from engine.model.states import JobState

NOW = datetime(2026, 11, 26, 20, 31, 5, tzinfo=UTC)
STANDING = CopyStanding(
    copy_id=1,
    at=NOW - timedelta(seconds=50),
    owed_jobs=12,
    owed_bytes=3 << 20,
    forecast="caught up Thursday 21:31",
)


def test_a_standing_says_when_it_was_measured():
    said = standing_line("worm", STANDING, Times("Europe/Berlin"), NOW)

    assert said == (
        "worm: 12 backup jobs, 3.00 MiB to copy as of 21:30:15, "
        "caught up Thursday 21:31, Europe/Berlin"
    )


def test_a_standing_of_another_day_has_its_date_and_why_it_fell_behind():
    old = replace(
        STANDING, at=NOW - timedelta(days=2), behind_since=NOW, behind_reasons=("too slow",)
    )

    said = standing_line("worm", old, Times("UTC"), NOW)

    assert " to copy as of 2026-11-24 20:31, " in said
    assert said.endswith("; fallen behind: too slow")


def test_a_job_that_failed_as_a_whole_counts_no_failed_backup_jobs(copied):
    with LiveCatalog(copied.cell.home.catalog) as live:
        (job,) = (
            each
            for each in live.recent_jobs(datetime(2000, 1, 1, tzinfo=UTC))
            if each.operation == "auxcopy"
        )
    failed = replace(
        job, id=47, state=JobState.FAILED, reason="no room", backup_jobs_done=0, bytes_done=0
    )

    assert ended_line(failed) == "job 47 failed: 0 backup jobs, 0 B; no room"
    assert "; 3 failed, 0 skipped; no room" in ended_line(replace(failed, backup_jobs_failed=3))
    assert "; 0 failed, 1 skipped; no room" in ended_line(replace(failed, backup_jobs_skipped=1))
    assert ended_line(job) == f"job {job.id} completed: 2 backup jobs, 195 KiB; 0 failed, 0 skipped"


def test_the_long_ledger_fits_a_terminal_of_80_columns(copied, monkeypatch, capsys):
    with LiveCatalog(copied.cell.home.catalog) as live:
        (offsite,) = chosen_copies(live, "databases", "offsite")
        lines = [
            replace(
                line,
                verification="good",
                verified_at=NOW - timedelta(days=2),
                retain_until=NOW + timedelta(days=90),
                retained_by="half-yearly",
            )
            for line in live.job_copies_in_order(offsite.id, LedgerFilter(), limit=None)
        ]
    monkeypatch.setattr("auxtui.cli.output.is_plain", lambda _: False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")

    show_ledger(lines, Times("Europe/Berlin"), long=True)

    said = capsys.readouterr()
    assert len(lines) == 3
    assert [line for line in said.out.splitlines() if len(line) > 80] == []
    assert said.out.count("good") == said.out.count("2026-11-24 21:31") == 3
    assert said.out.count("2027-02-24 21:31") == 3
    assert "kept by" in said.err


def test_the_long_ledger_says_what_was_verified_and_what_keeps_it(copied):
    usual = copied.within("copies", "databases/offsite").out
    never = copied.within("copies", "databases/offsite", "--long").out
    assert copied.within("verify", "databases/offsite", "--wait").code == 0
    (line, *_) = copied.within(
        "copies", "databases/offsite", "--state", "available", "--json"
    ).document["job_copies"]
    assert copied.within("retain", "databases/offsite", str(line["backup_job_id"])).code == 0

    said = copied.within("copies", "databases/offsite", "--long").out

    assert "VERIFIED" not in usual
    assert re.search(r"VERIFIED +VERIFIED AT \(\S+\) +KEPT UNTIL \(\S+\) +KEPT BY", said)
    assert re.search(r" available +never +- ", never)
    assert re.search(r" available +good +[-\d ]*\d\d:\d\d(:\d\d)? +for good +\S+", said)


@pytest.mark.parametrize(
    ("path", "error", "line"),
    [
        ("/srv/a", "changed while it was read", "backup job 7: /srv/a: changed while it was read"),
        ("a [0-9)", "a: bytes 0 to 9 differ", "backup job 7: a: bytes 0 to 9 differ"),
        ("", "is offline", "backup job 7: is offline"),
    ],
)
def test_an_error_names_its_file_once(path: str, error: str, line: str) -> None:
    value = JobErrorValue(
        id=1,
        job_id=9,
        at=datetime(2026, 3, 1, tzinfo=UTC),
        backup_job_id=7,
        copy_name="",
        path=path,
        error=error,
        hint="",
    )
    assert error_line(value) == line
