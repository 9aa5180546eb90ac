"""Which backup jobs a copy takes, on the running service: selective rules, dates, deferral, subsets."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from tests.cell import Cell
from tests.control.test_timetables import at

COPY = """
[policies.databases.copies.chosen]
library = "shelf"
"""
DAYS = ("01-05", "01-20", "02-03", "02-25", "03-02")


def dumps(cell: Cell, days: tuple[str, ...] = DAYS) -> None:
    """A full of each day of 2026, 12:00 UTC."""
    for day in days:
        path = cell.dump(f"{day}.dump", 10_000)
        moment = datetime.fromisoformat(f"2026-{day}T12:00:00+00:00").timestamp()
        os.utime(path, (moment, moment))


def copied(cell: Cell, copy: str = "chosen") -> list[str]:
    """Days whose backup job is available on a copy."""
    lines = cell.ledger(copy).items()
    return sorted(os.fsdecode(name)[:5] for name, line in lines if line.state == "available")


@pytest.mark.parametrize(
    ("keys", "taken"),
    [
        ('kind = "selective"\nselect = "all-fulls"', [*DAYS]),
        ('kind = "selective"\nselect = "monthly"', ["01-05", "02-03", "03-02"]),
        ('kind = "selective"\nselect = "monthly"\ntake = "last"', ["01-20", "02-25"]),
        ('kind = "selective"\nselect = "quarterly"', ["01-05"]),
        ('kind = "selective"\nselect = "every-n-cycles"\nevery = 2', ["01-05", "02-03", "03-02"]),
        (
            'kind = "selective"\nselect = "every-n-cycles"\nevery = 2\ntake = "last"',
            ["01-20", "02-25"],
        ),
        ('kind = "selective"\nselect = "manual"', []),
        ('kind = "synchronous"\non_and_after = 2026-02-01', ["02-03", "02-25", "03-02"]),
        ('kind = "synchronous"\nsubclients = ["db1/pg"]', [*DAYS]),
        ('kind = "synchronous"\nsubclients = ["web1/files"]', []),
    ],
)
def test_a_copy_takes_what_its_rule_says(cell: Cell, keys: str, taken: list[str]) -> None:
    dumps(cell)
    (cell.root / "other").mkdir()
    cell.apply(
        f'{COPY}{keys}\n[clients.web1.subclients.files]\npolicy = "databases"\n'
        f'landing = "{cell.root / "other"}"\n'
    )
    with at(cell, datetime(2026, 3, 10, 9, tzinfo=UTC)):
        cell.scan()
        assert cell.run(copies=("chosen",)).state == "completed"

    assert copied(cell) == taken
    assert copied(cell, "offsite") == []


def test_the_start_of_the_month_is_that_of_the_commcell(cell: Cell) -> None:
    dumps(cell)
    cell.apply(COPY + 'kind = "selective"\nselect = "monthly"\n', commcell="month_starts = 4")
    with at(cell, datetime(2026, 3, 10, 9, tzinfo=UTC)):
        cell.scan()
        cell.run(copies=("chosen",))

    assert copied(cell) == ["01-05", "02-25"]  # 02-03 is of the period of January


def test_deferral_counts_from_availability_on_the_source_and_a_chain_never_copies_ahead(
    cell: Cell,
) -> None:
    dumps(cell, ("01-05",))
    cell.apply(COPY + 'kind = "synchronous"\nsource = "offsite"\ndefer = "2d"\n')
    copied_at = datetime(2026, 3, 10, 9, tzinfo=UTC)
    with at(cell, copied_at) as clock:
        cell.scan()
        cell.run(copies=("chosen",))
        assert cell.ledger("chosen")[b"01-05.dump"].state == "to_be_copied"
        assert "does not have it yet" in cell.ledger("chosen")[b"01-05.dump"].reason
        cell.run()
        deferred = cell.ledger("chosen")[b"01-05.dump"]
        assert (deferred.state, copied(cell, "offsite")) == ("deferred", ["01-05"])
        assert "not eligible before 2026-03-12 09:00 UTC (" in deferred.reason
        clock.set(copied_at.replace(day=12, hour=8, minute=59))
        cell.run()
        assert copied(cell) == []
        clock.set(copied_at.replace(day=12, hour=9, minute=1))
        cell.run()

    assert copied(cell) == ["01-05"]


def test_most_recent_full_only_takes_one_of_each_subclient(cell: Cell) -> None:
    dumps(cell)
    cell.apply(COPY + 'kind = "synchronous"\n')
    with at(cell, datetime(2026, 3, 10, 9, tzinfo=UTC)):
        cell.scan()
        cell.run(copies=("chosen",), use_most_recent_full=True)

    assert copied(cell) == ["03-02"]
