"""Every operation on a library over SFTP, on the running service: copy, read on, verify, repair, age, rebuild."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.library.sftp.reading import FarReader, SftpJobReader
from engine.model.entries import FileEntry
from tests.cell import Cell, tree
from tests.control.test_aging import START, dumps, later, states
from tests.control.test_verification import copied, flip
from tests.control.upkeep import age, errors_of, repair, serving, verify
from tests.remote.sshd import Sshd

CHAIN = """
[policies.databases.copies.second]
kind = "synchronous"
library = "shelf"
source = "offsite"
"""


@pytest.fixture
def far(sshd: Sshd, tmp_path: Path) -> Iterator[Cell]:
    """A CommCell whose library `vault` lies on another host."""
    cell = Cell(tmp_path / "cell")
    (cell.root / "vault").mkdir()
    cell.vault = sshd.url(cell.root / "vault")
    yield cell
    cell.close()


def seconds_only(cell: Cell) -> None:
    """Times of the sources in whole seconds, as SFTP keeps them."""
    for path in [*cell.landing.rglob("*")][::-1]:
        if not path.is_symlink():
            at = int(path.stat().st_mtime)
            os.utime(path, (at, at))


def test_a_copy_goes_over_and_on_from_there(far: Cell) -> None:
    copied(far, CHAIN)

    assert set(states(far).values()) == set(states(far, "second").values()) == {"available"}
    for job_id, directory in far.on_media().items():
        here = far.on_media("shelf", "second")[job_id]
        names = [p.relative_to(directory) for p in directory.rglob("*") if p.is_file()]
        assert names
        for name in names:
            if name.name != "manifest.jsonl.zst":
                assert (directory / name).read_bytes() == (here / name).read_bytes()


def test_what_is_damaged_there_is_found_and_repaired(far: Cell) -> None:
    jobs = copied(far, CHAIN)
    flip(far.on_media()[jobs["two"]] / "data/two/a", 1234)
    with serving(far):
        found = verify(far)
        fixed = repair(far, jobs["two"])
        again = verify(far, "all")

    assert found.state == "completed_with_errors"
    assert any("two/a" in error.path for error in errors_of(far, found.id))
    assert (fixed.state, again.state) == ("completed", "completed")


def test_a_backup_job_is_restored_from_there(far: Cell, tmp_path: Path) -> None:
    jobs = copied(far, CHAIN)
    with serving(far):
        target = tmp_path / "target"
        job_id = frontdoor.run_restore(
            far.home,
            jobs["two"],
            to=str(target),
            copy="offsite",
            path_globs=(),
            overwrite=False,
            by="test",
        )
        assert far.wait(job_id).state == "completed"

    assert tree(target / "two") == tree(far.landing / "two")


def test_what_retention_does_not_keep_goes_there_too(far: Cell) -> None:
    dumps(far, 4)
    far.apply(offsite='retain = "10d"\nretain_cycles = 1')
    with serving(far, later(4)):
        far.scan()
        job = far.run()
        assert job.state == "completed", errors_of(far, job.id)
    before = set(far.on_media())
    with serving(far, later(11.5)):
        assert age(far).state == "completed"

    assert len(far.on_media()) < len(before)
    assert START + timedelta(days=4) == later(4)
    assert not list((far.root / "vault/databases/offsite/.removed").iterdir())


def test_the_ledger_is_rebuilt_from_there_alone(far: Cell) -> None:
    copied(far)
    before = far.ledger()
    shutil.rmtree(far.home.path)
    far.apply()

    report = frontdoor.rebuild(far.home, ["vault"])

    assert (report["backup_jobs"], report["damaged"]) == (len(before), [])
    assert set(far.ledger()) == set(before)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Which files were read back over the line."""
    read: list[bytes] = []
    opened, contents = FarReader.open, SftpJobReader.contents

    async def opening(far: object, data: bytes, path: bytes) -> FarReader:
        read.append(path)
        return await opened(far, data, path)

    async def fetching(self: SftpJobReader, entries: list[FileEntry]) -> list[bytes | None]:
        read.extend(entry.path for entry in entries)
        return await contents(self, entries)

    monkeypatch.setattr(FarReader, "open", opening)
    monkeypatch.setattr(SftpJobReader, "contents", fetching)
    return read


def test_what_that_host_can_hash_is_not_read_over_the_line(far: Cell, unread: list[bytes]) -> None:
    far.dump("big.dump", 70 << 20)  # three chunks
    for name in ("a", "b 'c'", "$(touch x)", "\udcff"):
        far.dump(f"small/{name}", 5000)
    far.dump("small/empty", 0)
    far.apply(offsite='verify = "at-write"')
    with serving(far):
        far.scan()
        job = far.run()
        assert job.state == "completed", errors_of(far, job.id)
        assert verify(far, "all").state == "completed"
    assert unread == []

    flip(far.on_media()[far.ledger()[b"big.dump"].backup_job_id] / "data/big.dump", 40 << 20)
    with serving(far):
        job = verify(far, "all")
    assert job.state == "completed_with_errors"
    assert unread == [b"big.dump"]  # to say what is wrong


def test_where_no_command_may_run_it_is_read_back(
    far: Cell, sshd: Sshd, unread: list[bytes]
) -> None:
    far.vault = sshd.url(far.root / "vault", exec="no")
    far.dump("one.dump", 3_000_000)
    far.dump("two.dump", 30_000)
    far.apply(offsite='verify = "at-write"')
    with serving(far):
        far.scan()
        job = far.run()
        assert job.state == "completed", errors_of(far, job.id)

    assert {line.verification.value for line in far.ledger().values()} == {"good"}
    assert set(unread) == {b"one.dump", b"two.dump"}
