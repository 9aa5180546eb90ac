"""Aging of full and incrementals: what depends on another goes before it, and what stays keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.library.interface import Place
from engine.library.local import LocalLibrary
from engine.model.errors import DestinationWrite
from engine.operations.indexes import described_jobs
from tests.control import backups
from tests.control.backups import BackupCell
from tests.control.upkeep import age, errors_of, quiet, serving

BRIEF = 'retain = "1d"\nretain_cycles = 1'


@pytest.fixture
def cell(backup_cell: BackupCell) -> BackupCell:
    backup_cell.configure(primary=BRIEF)
    return backup_cell


def two_cycles(cell: BackupCell) -> list[int]:
    """A full with two incrementals, and the full after them that lets them go."""
    ids = []
    with serving(cell):
        for number, level in enumerate(("full", "incremental", "incremental", "full")):
            (cell.source / f"file{number}").write_bytes(bytes([number]) * 1000)
            ids.append(cell.back_up(level).id)
        assert cell.copy_all().state == "completed"
    quiet(cell)
    return ids


def there(cell: BackupCell, ids: list[int]) -> list[bool]:
    return [cell.on_primary(backup_job_id).is_dir() for backup_job_id in ids]


class Removals:
    """Every removal that a library is asked for; those of some backup jobs fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        self.failing: set[int] = set()
        really = LocalLibrary.remove_job

        def remove_job(library: LocalLibrary, place: Place, job_id: int) -> None:
            self.asked.append(job_id)
            if job_id in self.failing:
                raise DestinationWrite(f"cannot remove {job_id}: it is in use")
            really(library, place, job_id)

        monkeypatch.setattr(LocalLibrary, "remove_job", remove_job)


@pytest.mark.parametrize(
    ("fails", "stay"),
    [(1, [True, True, False, True]), (2, [True, True, True, True])],
    ids=["the first incremental", "the last incremental"],
)
def test_what_cannot_be_removed_keeps_what_it_depends_on(
    cell: BackupCell, monkeypatch: pytest.MonkeyPatch, fails: int, stay: list[bool]
) -> None:
    ids = two_cycles(cell)
    removals = Removals(monkeypatch)
    removals.failing = {ids[fails]}
    with serving(cell, datetime.now(UTC) + timedelta(days=30)):
        job = age(cell)
        left, asked = there(cell, ids), list(removals.asked)
        removals.failing = set()
        again = age(cell)

    assert left == stay
    assert (job.state, job.backup_jobs_failed) == ("completed_with_errors", 1)
    assert [error.error for error in errors_of(cell, job.id)] == [
        f"cannot remove {ids[fails]}: it is in use"
    ]
    assert asked == ids[fails:3][::-1]
    assert again.state == "completed"
    assert removals.asked[len(asked) :] == ids[fails::-1]
    assert there(cell, ids) == [False, False, False, True]


def test_the_index_goes_with_the_last_copy_and_the_ledger_remembers(
    cell: BackupCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = two_cycles(cell)
    elsewhere = 'library = "vault"\n'
    brief = f'{elsewhere}retain = "60d"\nretain_cycles = 1\n'
    monkeypatch.setattr(backups, "SITE", backups.SITE.replace(elsewhere, brief))
    cell.configure(primary=BRIEF, extra='retain = "1d"\nretain_cycles = 1')
    with serving(cell, datetime.now(UTC) + timedelta(days=30)) as clock:
        age(cell)
        held = described_jobs(cell.home)
        clock.set(datetime.now(UTC) + timedelta(days=90))
        age(cell)

    assert held == ids
    assert described_jobs(cell.home) == ids[3:]
    assert {line.state for line in cell.lines(ids[0]).values()} == {"aged"}
