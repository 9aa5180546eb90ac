"""What auxtui backed up, on a copy that is encrypted: after a loss of everything else it comes back."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.catalog.opening import open_catalog
from engine.control import frontdoor
from engine.model.encoding import encoding_from_text
from engine.site.applying import apply_site
from engine.site.exporting import export_site
from tests.archive.trees import look, make_tree
from tests.control.backups import BackupCell
from tests.control.test_content_restore import restore
from tests.transfer.encodings import Key

SEALED = """
[libraries.safe]
url = "{root}/safe"
[policies.files.copies.sealed]
library = "safe"
compression = "zstd"
encrypt_to = ["{recipient}"]
"""


@pytest.fixture
def cell(backup_cell: BackupCell) -> BackupCell:
    (backup_cell.root / "safe").mkdir()
    return backup_cell


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.generate(tmp_path_factory.mktemp("keys") / "key")


def test_an_encrypted_copy_alone_gives_back_both_times(
    cell: BackupCell, key: Key, tmp_path: Path
) -> None:
    sealed = SEALED.format(root=cell.root, recipient=key.recipient)
    make_tree(cell.source)
    cell.configure('volume_size = "2MiB"', sealed)
    first = cell.back_up()
    then = look(cell.source)
    (cell.source / "plain" / "3.txt").write_bytes(b"changed")
    (cell.source / "new").mkdir()
    (cell.source / "new" / "file").write_bytes(b"new")
    second = cell.back_up()
    now = look(cell.source)
    assert cell.copy_all().state == "completed"
    times = [cell.lines(job.id)["primary"].completed_at for job in (first, second)]

    cell.close()
    for lost in (cell.home.path, cell.source, *(cell.root / n for n in ("fast", "vault", "shelf"))):
        shutil.rmtree(lost)
    for name in ("fast", "vault", "shelf"):
        (cell.root / name).mkdir()
    cell.configure('volume_size = "2MiB"', sealed)
    report = frontdoor.rebuild(cell.home, ["safe"])
    assert (report["backup_jobs"], report["job_copies"], report["damaged"]) == (2, 2, [])
    assert encoding_from_text(cell.lines(second.id)["sealed"].encoding).is_encrypted

    locked = restore(cell, tmp_path / "locked", second.id)
    for number, (time, tree) in enumerate(zip(times, (then, now), strict=True)):
        target = tmp_path / f"back{number}"
        job = restore(cell, target, as_of=time, identity_files=[str(key.path)])
        assert job.state == "completed", job.reason
        assert look(target / str(cell.source).lstrip("/")) == tree

    assert locked.state == "failed"
    assert not (tmp_path / "locked").exists()


def test_a_promoted_copy_is_plain_for_what_comes_and_keeps_what_it_has(
    cell: BackupCell, key: Key
) -> None:
    (cell.source / "file").write_bytes(b"content")
    cell.configure("", SEALED.format(root=cell.root, recipient=key.recipient))
    first = cell.back_up()
    assert cell.copy_all().state == "completed"

    answer = frontdoor.promote(cell.home, "files", "sealed", by="test")
    (cell.source / "file").write_bytes(b"more content")
    second = cell.back_up()

    assert "encrypted to 1 recipient" in answer["note"]
    assert "from now on is not" in answer["note"]
    assert encoding_from_text(cell.lines(first.id)["sealed"].encoding).is_encrypted
    assert cell.lines(second.id)["sealed"].encoding == ""
    with open_catalog(cell.home) as catalog:
        exported = export_site(catalog)
        now = datetime.now(UTC)
        assert apply_site(catalog, exported, "site.toml", dry_run=True, now=now) == []
    assert key.recipient not in exported


def test_without_a_key_nothing_is_written_and_with_it_the_same_place_takes_all(
    cell: BackupCell, key: Key, tmp_path: Path
) -> None:
    make_tree(cell.source)
    cell.configure("", SEALED.format(root=cell.root, recipient=key.recipient))
    job = cell.back_up()
    assert cell.copy_all().state == "completed"
    target = tmp_path / "target"

    locked = restore(cell, target, job.id, copy="sealed")
    there = target.exists()
    opened = restore(cell, target, job.id, copy="sealed", identity_files=[str(key.path)])

    assert (locked.state, there) == ("failed", False)
    assert "nothing was written" in locked.reason
    assert "--identity" in locked.reason
    assert opened.state == "completed", opened.reason
    assert look(target / str(cell.source).lstrip("/")) == look(cell.source)
    assert 0 < opened.bytes_done == opened.bytes_total
