"""A damaged or outdated catalog: refused in clear words and left as it is, and the copies stay whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.model.errors import CatalogCorrupt
from tests.faults.estate import Estate
from tests.faults.oracle import tree_of


def garbage(catalog: Path) -> None:
    """Another file's bytes, of the same size."""
    catalog.write_bytes(os.urandom(catalog.stat().st_size))


def flipped_header(catalog: Path) -> None:
    """A bit of what makes it a database."""
    content = bytearray(catalog.read_bytes())
    content[3] ^= 1
    catalog.write_bytes(bytes(content))


def cut_off(catalog: Path) -> None:
    """Half of it."""
    os.truncate(catalog, catalog.stat().st_size // 2 + 100)


def empty(catalog: Path) -> None:
    """Nothing in it."""
    catalog.write_bytes(b"")


def no_schema(catalog: Path) -> None:
    """The first page lost what it said of tables."""
    content = bytearray(catalog.read_bytes())
    content[100:4096] = bytes(3996)
    catalog.write_bytes(bytes(content))


def copied(estate: Estate) -> None:
    """Two dumps on both copies, the service stopped."""
    estate.add("one.dump", 200_000)
    estate.add("two.dump", 10)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.file_run()
    assert estate.finish() == []


@pytest.mark.parametrize("damage", [garbage, flipped_header, cut_off, empty, no_schema])
def test_a_damaged_catalog_is_refused_and_left_as_it_is(
    estate: Estate, damage: Callable[[Path], None]
) -> None:
    copied(estate)
    home = estate.cell.home
    damage(home.catalog)
    damaged = home.catalog.read_bytes()
    media = [tree_of(bytes(copy.root)) for copy in estate.oracle.copies]

    said = estate.start().wait_ready()
    with pytest.raises(CatalogCorrupt) as told:
        frontdoor.ensure_service(home)

    assert "is damaged" in said
    assert "catalog.db" in said
    assert "move catalog.db and its -wal and -shm aside" in told.value.hint
    assert home.catalog.read_bytes() == damaged
    assert [tree_of(bytes(copy.root)) for copy in estate.oracle.copies] == media


def test_a_lost_catalog_is_not_made_anew(estate: Estate) -> None:
    """An empty one in its place would owe everything again, and number its jobs anew."""
    copied(estate)
    estate.cell.home.catalog.unlink()

    said = estate.start().wait_ready()

    assert "catalog" in said
    assert not estate.cell.home.catalog.exists()


def test_the_log_of_a_catalog_that_was_lost_is_missed(estate: Estate) -> None:
    """Without its write-ahead log the catalog is older than what the media hold."""
    estate.add("one.dump", 200_000)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.run()
    estate.until(estate.is_settled)
    estate.end()
    wal = Path(f"{estate.cell.home.catalog}-wal")
    assert wal.stat().st_size > 0
    wal.unlink()

    said = estate.start().wait_ready()

    if said == "ready":  # it lags: what it says is available is, and a run catches up
        estate.scan()
        estate.file_run()
        assert [line for line in estate.finish() if not line.startswith("TORN")] == []
    else:
        assert "catalog" in said


def test_an_older_catalog_in_its_place_overwrites_nothing(estate: Estate) -> None:
    """Restored from a backup of the host: it knows less than the media, and numbers jobs again."""
    estate.add("one.dump", 5000)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.stop()
    older = estate.root / "older"
    shutil.copytree(estate.cell.home.path, older)
    estate.start_ready()
    for name in ("two.dump", "three.dump"):
        estate.add(name, 6000)
        estate.scan()
    estate.file_run()
    assert estate.finish() == []
    media = [tree_of(bytes(copy.root)) for copy in estate.oracle.copies]
    shutil.rmtree(estate.cell.home.path)
    shutil.copytree(older, estate.cell.home.path)
    (estate.cell.landing / "two.dump").rename(estate.cell.landing / "zzz.dump")

    estate.start_ready()
    estate.scan()
    estate.run(retries=0)
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors"
    assert "holds another backup job under the id" in job["reason"]
    for copy, before in zip(estate.oracle.copies, media, strict=True):
        now = tree_of(bytes(copy.root))
        files = {path: what for path, what in before.items() if what[0] == "file"}
        assert {path: now.get(path) for path in files} == files
