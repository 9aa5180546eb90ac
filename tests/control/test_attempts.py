"""What the next attempt of a run does with what has failed before it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.catalog import jobs
from engine.catalog.opening import open_catalog
from engine.library.local import LocalLibrary
from engine.model.errors import DestinationRefused, DestinationWrite, StorageError
from tests.cell import SECOND, Cell
from tests.control.upkeep import errors_of, serving


def newest_job(cell: Cell) -> int:
    with open_catalog(cell.home) as catalog, catalog.read() as session:
        return jobs.jobs(session)[0].id


@pytest.mark.parametrize(
    ("most", "listed"), [(100, ["a cable", "not for you"]), (1, ["not for you"])]
)
def test_what_somebody_has_mended_is_tried_by_the_next_attempt(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, most: int, listed: list[str]
) -> None:
    """One copy failed in a way that passes: the other one, which was refused, is tried with it."""
    usual = LocalLibrary.write_job
    refused = DestinationRefused("not for you", hint="let it in")
    faults: list[StorageError] = [refused, DestinationWrite("a cable")]
    told: list[list[str]] = []

    def write_job(library: LocalLibrary, *args: Any, **more: Any) -> Any:
        if faults:
            raise faults.pop(0)
        told.append(sorted(error.error for error in errors_of(cell, newest_job(cell))))
        return usual(library, *args, **more)

    monkeypatch.setattr("engine.control.joblife.RETRY_DELAYS_S", (0.01,))
    monkeypatch.setattr("engine.operations.auxcopy.TOLD_WHILE_IT_WAITS", most)
    monkeypatch.setattr(LocalLibrary, "write_job", write_job)
    cell.dump("one.dump")
    cell.apply(SECOND)
    with serving(cell):
        cell.scan()
        job = cell.run()

    assert (job.state, job.attempts, job.errors) == ("completed", 2, 0)
    assert told[0] == listed, "while it waited"
    assert errors_of(cell, job.id) == []
