"""A catalog rebuilt from the libraries alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from auxtui.health import troubles
from engine.catalog import jobs
from engine.catalog.live import LiveCatalog
from engine.catalog.opening import open_catalog
from engine.control import frontdoor
from engine.model.errors import LibraryOffline, NotFoundError, UsageError
from engine.model.states import FOREIGN, FOREIGN_HINT
from tests.cell import SECOND, Cell, tree
from tests.control.test_verification import copied, flip
from tests.control.upkeep import serving, verify

DATES = {"copied_at": None, "state_at": None, "reason": "", "copied_by_job": None}


@pytest.fixture
def lost(cell: Cell) -> Cell:
    """A CommCell with two copies whose home is gone; the same site file is applied anew."""
    copied(cell, SECOND)
    return cell


def lose(cell: Cell, extra: str = SECOND) -> None:
    shutil.rmtree(cell.home.path)
    cell.apply(extra)


def test_the_ledger_is_the_same_as_before(lost: Cell) -> None:
    before = {copy: lost.ledger(copy) for copy in ("primary", "offsite", "second")}
    highest = next_id(lost)
    lose(lost)
    with LiveCatalog(lost.home.catalog) as live:
        assert all(FOREIGN in one.state_reason for one in live.estate().libraries)
        assert {one.hint for one in troubles(live.estate(), None)} >= {FOREIGN_HINT}

    report = frontdoor.rebuild(lost.home, [])

    with LiveCatalog(lost.home.catalog) as live:
        assert {one.state for one in live.estate().libraries} == {"online"}
    assert (report["backup_jobs"], report["job_copies"]) == (2, 4)
    assert (report["missing"], report["damaged"]) == ([], [])
    assert any("verification" in text for text in report["not_known"])
    assert any("adopted without" in text for text in report["not_known"])
    for copy, lines in before.items():
        after = lost.ledger(copy)
        assert after.keys() == lines.keys()
        for name, line in lines.items():
            same = replace(line, **DATES, fingerprint="", copy_id=0)  # type: ignore[arg-type]
            assert replace(after[name], **DATES, fingerprint="", copy_id=0) == same  # type: ignore[arg-type]
    assert next_id(lost) > max(line.backup_job_id for line in before["offsite"].values())
    assert highest > 0


def test_after_it_everything_works_again(lost: Cell) -> None:
    two = lost.ledger()[b"two"].backup_job_id
    original = tree(lost.landing / "two")
    lose(lost)
    frontdoor.rebuild(lost.home, ["vault", "shelf"])
    lost.dump("three.dump")
    with serving(lost):
        found = lost.scan()
        run = lost.run()
        shutil.rmtree(lost.landing / "two")
        job_id = frontdoor.run_restore(
            lost.home,
            two,
            to=str(lost.root / "back"),
            copy="second",
            path_globs=(),
            overwrite=False,
            by="test",
        )
        restore = lost.wait(job_id)
        verified = verify(lost)

    assert [one["name"] for one in found["adopted"]] == ["three.dump"]  # type: ignore[attr-defined]
    assert (run.state, run.backup_jobs_done) == ("completed", 2)
    assert (restore.state, verified.state) == ("completed", "completed")
    assert tree(lost.root / "back/two") == original


def test_one_library_gives_what_it_has_and_another_adds_to_it(lost: Cell) -> None:
    lose(lost)
    first = frontdoor.rebuild(lost.home, ["vault"])
    between = lost.ledger("second")
    second = frontdoor.rebuild(lost.home, ["shelf"])

    assert (first["backup_jobs"], first["job_copies"]) == (2, 2)
    assert {line.state for line in between.values()} == {"to_be_copied"}
    assert (second["backup_jobs"], second["job_copies"]) == (0, 2)
    assert {line.state for line in lost.ledger("second").values()} == {"available"}


def test_what_cannot_be_known_is_listed(lost: Cell) -> None:
    one, _ = sorted(lost.on_media().values())
    flip(one / "manifest.jsonl.zst", 60)
    lose(lost, "")

    report = frontdoor.rebuild(lost.home, ["vault"])

    assert report["backup_jobs"] == 1
    (damaged,) = report["damaged"]
    assert damaged.startswith(f"backup job {one.name} on copy databases/offsite:")


def test_a_copy_that_is_not_configured_is_named(lost: Cell) -> None:
    lose(
        lost,
        '[libraries.shelf2]\nurl = "/nowhere"\nmedia_agents = ["here"]\n'.replace(
            "/nowhere", str(lost.root / "shelf2")
        ),
    )
    shutil.copytree(
        lost.root / "shelf",
        lost.root / "vault",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("auxtui-library.json"),
    )

    report = frontdoor.rebuild(lost.home, ["vault"])

    assert report["missing"] == ["copy databases/second with 2 job copies in library vault"]


def test_what_cannot_be_rebuilt_is_refused(lost: Cell, tmp_path: Path) -> None:
    with serving(lost), pytest.raises(UsageError, match="while the service runs"):
        frontdoor.rebuild(lost.home, [])
    lose(lost)
    with pytest.raises(NotFoundError, match="nowhere"):
        frontdoor.rebuild(lost.home, ["nowhere"])
    (lost.root / "vault/auxtui-library.json").unlink()
    with pytest.raises(LibraryOffline, match="no marker"):
        frontdoor.rebuild(lost.home, [])
    assert lost.ledger() == {}


def test_libraries_of_two_commcells_are_not_mixed(lost: Cell, tmp_path: Path) -> None:
    other = Cell(tmp_path / "other")
    copied(other)
    shutil.rmtree(lost.root / "shelf")
    shutil.move(other.root / "vault", lost.root / "shelf")  # perhaps to another file system
    marker = lost.root / "shelf/auxtui-library.json"
    record = json.loads(marker.read_text()) | {"name": "shelf"}
    del record["blake3"]  # else it were damaged
    marker.write_text(json.dumps(record))

    with pytest.raises(UsageError, match="belongs to another CommCell"):
        frontdoor.rebuild(lost.home, [])


def next_id(cell: Cell) -> int:
    catalog = open_catalog(cell.home)
    try:
        with catalog.write() as session:
            return jobs.next_id(session)
    finally:
        catalog.close()
