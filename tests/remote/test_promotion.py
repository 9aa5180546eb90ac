"""A chain over SFTP into a store, and what follows when the primary is lost: one of them takes its place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.library.objects import connection
from tests.archive.trees import look, make_tree
from tests.control.backups import BackupCell
from tests.control.upkeep import serving
from tests.remote.sshd import Sshd
from tests.stores import StoreServer

CHAIN = """
[libraries.away]
url = "{away}"
[libraries.cloud]
url = "{cloud}"
[policies.files.copies.away]
kind = "synchronous"
library = "away"
[policies.files.copies.cloud]
kind = "synchronous"
library = "cloud"
source = "away"
"""


@pytest.fixture
def cell(sshd: Sshd, moto: StoreServer, tmp_path: Path) -> Iterator[BackupCell]:
    """The primary on this host, a copy over SFTP, and from there one in a store."""
    made = BackupCell(tmp_path / "cell")
    make_tree(made.source)
    (made.root / "away").mkdir()
    away, cloud = sshd.url(made.root / "away"), moto.url(moto.bucket())
    made.configure('volume_size = "2MiB"', CHAIN.format(away=away, cloud=cloud))
    with serving(made):
        yield made
    made.close()
    connection.close_connections()


@pytest.mark.parametrize("copy", ["away", "cloud"])
def test_after_a_promotion_backups_go_on_there(cell: BackupCell, tmp_path: Path, copy: str):
    first = cell.back_up()
    copied = cell.copy_all()
    assert copied.state == "completed", cell.errors(copied.id)
    assert {line.state for line in cell.lines(first.id).values()} == {"available"}
    frontdoor.promote(cell.home, "files", copy, by="test")
    shutil.rmtree(cell.root / "fast")
    (cell.source / "plain" / "new").write_bytes(b"new")

    second = cell.back_up()

    assert (second.state, second.copies) == ("completed", (copy,)), cell.errors(second.id)
    assert "incremental" in second.description
    target = tmp_path / "target"
    done = cell.wait(
        frontdoor.run_restore(
            cell.home, second.id, to=str(target), copy=None, path_globs=[], overwrite=False, by="t"
        )
    )
    assert done.state == "completed", cell.errors(done.id)
    assert look(cell.restored(target)) == look(cell.source)
