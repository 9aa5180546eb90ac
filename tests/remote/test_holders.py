"""Aging that rests on a copy on another host or in a store: looked at over there before anything goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.library.objects import connection
from tests.cell import Cell
from tests.control.test_aging import dumps, kept_reasons, later, states, without_landing
from tests.control.upkeep import age, serving
from tests.remote.sshd import Sshd
from tests.stores import StoreServer

AWAY = """
[libraries.away]
url = "{url}"
[policies.databases.copies.away]
kind = "synchronous"
library = "away"
source = "offsite"
retain = "90d"
"""
MARKER = "auxtui-library.json"
RETAIN = 'retain = "1d"\nretain_cycles = 2'


class Away:
    """The far library of a test, as its owner changes it by hand."""

    def __init__(self, url: str, move: Callable[[str, str], None], lose: Callable[[str], None]):
        self.url = url
        self.move = move
        self.lose = lose


@pytest.fixture
def over_sftp(sshd: Sshd, tmp_path: Path) -> Away:
    root = tmp_path / "away"
    root.mkdir()
    return Away(
        sshd.url(root),
        lambda old, new: (root / old).rename(root / new) and None,
        lambda name: (root / name).unlink(),
    )


@pytest.fixture
def in_a_store(moto: StoreServer) -> Iterator[Away]:
    bucket = moto.bucket()
    client = moto.client

    def move(old: str, new: str) -> None:
        source = {"Bucket": bucket, "Key": f"copies/{old}"}
        client.copy_object(Bucket=bucket, Key=f"copies/{new}", CopySource=source)
        client.delete_object(**source)

    def lose(name: str) -> None:
        (key,) = [key for key in moto.keys(bucket) if key.endswith(name)]
        client.delete_object(Bucket=bucket, Key=key)

    yield Away(moto.url(bucket), move, lose)
    connection.close_connections()


@pytest.mark.parametrize("kind", ["over_sftp", "in_a_store"])
def test_nothing_goes_that_is_not_seen_over_there(
    cell: Cell, kind: str, request: pytest.FixtureRequest
) -> None:
    away: Away = request.getfixturevalue(kind)
    dumps(cell, 4)
    cell.apply(AWAY.format(url=away.url), offsite=RETAIN)
    with serving(cell, later(4)):
        cell.scan()
        assert cell.run().state == "completed"
    first = cell.ledger()[b"day00.dump"].backup_job_id
    with serving(cell, later(4)):  # what is due would run beside the test
        for schedule in ("system", "system-aging"):
            frontdoor.schedule(cell.home, schedule, "disable", by="test")
    with serving(cell, later(10)):
        without_landing(cell)
        away.move(MARKER, "marker")
        offline, why_offline = age(cell), kept_reasons(cell)
        away.move("marker", MARKER)
        away.lose(f"databases/away/{first}/manifest.jsonl.zst")
        lost, why_lost = age(cell), kept_reasons(cell)

    assert (offline.backup_jobs_done, lost.backup_jobs_done) == (0, 1)
    assert "stays: away is offline" in why_offline
    assert "stays: its job copy on away is not there" in why_lost
    assert states(cell)["day00.dump"] == "available"
    assert states(cell)["day01.dump"] == "aged"
    assert states(cell, "away")["day01.dump"] == "available"
