"""One bad line never harms: what breaks has a reason, the others go on, and the work goes on by itself."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.delay import Loss
from engine.catalog.events import events
from engine.catalog.opening import open_catalog
from engine.control import joblife
from engine.library.sftp import connecting
from engine.library.sftp.link import hang_up
from engine.model.errors import DestinationFull, DestinationRefused, LibraryOffline, StorageError
from engine.model.states import Severity
from tests.cell import SECOND, Cell, tree
from tests.control.test_verification import flip
from tests.control.upkeep import serving, verify
from tests.library.samples import (
    COMMCELL,
    IDENTITY,
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    read_all,
    sample_job,
    write_chunks,
)
from tests.remote.proxy import BadLine, bad_line
from tests.remote.sshd import Sshd, running_sshd, thaw

MIB = 1024 * 1024
LARGE = 24 * MIB


@pytest.fixture
def line(sshd: Sshd) -> Iterator[BadLine]:
    """A bad line to the server."""
    with bad_line(sshd.port) as line:
        sshd.trust(line.port)
        yield line


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retries come at once, and no connection outlives its test."""
    monkeypatch.setattr(joblife, "RETRY_DELAYS_S", (0.2,))
    yield
    hang_up()


@pytest.fixture
def far(sshd: Sshd, line: BadLine, tmp_path: Path) -> Iterator[Cell]:
    """A CommCell whose library `vault` lies behind the bad line; `shelf` is here."""
    cell = Cell(tmp_path / "cell")
    (cell.root / "vault").mkdir()
    cell.vault = sshd.url(cell.root / "vault", port=line.port)
    cell.apply(SECOND)
    yield cell
    cell.close()


def library_at(sshd: Sshd, root: Path, port: int):
    from engine.library.sftp.library import SftpLibrary

    url = sshd.url(root, port=port)
    return SftpLibrary.of_url("vault", url, uuid="", commcell_id=COMMCELL)


def large_job(size: int = LARGE, chunk: int = 4 * MIB) -> Job:
    job = Job()
    job.file(b"large", random.Random(3).randbytes(size), chunk=chunk)
    return job


def test_a_line_that_is_cut_leaves_what_was_proven(sshd: Sshd, line: BadLine, root: Path):
    library = library_at(sshd, root, line.port)
    library.initialise(IDENTITY)
    job = large_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:2])
    line.cut_after = line.sent_bytes + 6 * MIB  # within the fourth chunk

    with pytest.raises(LibraryOffline, match="was lost"):
        write_chunks(writer, job, job.dones[2:])
    writer.close()

    before = line.sent_bytes
    copy_job(library, job)  # what was proven is not sent again
    assert line.sent_bytes - before < (LARGE - 3 * 4 * MIB) * 1.1
    check_copy(library, job)


@pytest.mark.parametrize("fault", ["cut", "flip", "reset"])
def test_a_job_goes_on_by_itself_and_the_others_are_not_held_up(
    far: Cell, line: BadLine, fault: str
):
    far.dump("large.dump", LARGE)
    far.dump("small/one", 1000)
    if fault == "cut":
        line.cut_after = line.sent_bytes + 10 * MIB
    elif fault == "flip":
        line.flip_after = line.sent_bytes + 10 * MIB
    with serving(far):
        far.scan()
        job = far.start(retries=200)
        if fault == "reset":
            far.until(job, lambda one: one.bytes_done > 0 or one.state.is_final)
            line.reset()
        assert far.wait(job).state == "completed"

    with open_catalog(far.home) as catalog, catalog.read() as session:
        assert events(session, severities=[Severity.ERROR]) == []  # it got over it by itself
    assert all(one.state == "available" for one in far.ledger("offsite").values())
    assert all(one.state == "available" for one in far.ledger("second").values())


def test_a_host_that_is_away_has_a_reason_and_the_work_goes_on_when_it_is_back(
    far: Cell, line: BadLine
):
    far.dump("one.dump")
    line.refuses = True
    hang_up()
    with serving(far):
        far.scan()
        job = far.start(retries=200)
        waiting = far.until(job, lambda one: one.state == "pending")
        assert "127.0.0.1" in waiting.reason
        assert {one.state for one in far.ledger("second").values()} == {"available"}
        line.refuses = False
        assert far.wait(job).state == "completed"


def test_a_server_that_is_frozen_is_noticed_and_left(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connecting, "KEEPALIVE_S", 0.5)
    monkeypatch.setattr(connecting, "CONNECT_S", 5.0)
    job = large_job()
    with running_sshd(tmp_path / "own") as server:
        library = server.library(root)
        library.initialise(IDENTITY)
        writer = library.write_job(PLACE, header(), source_key="source")
        write_chunks(writer, job, job.dones[:2])
        frozen = server.freeze()
        try:
            with pytest.raises(LibraryOffline):
                write_chunks(writer, job, job.dones[2:])
            writer.close()
        finally:
            thaw(frozen)

        hang_up()  # at once, not after the pause between tries
        copy_job(library, job)
        check_copy(library, job)


def test_a_server_that_is_killed_and_started_again(tmp_path: Path, root: Path):
    job = large_job()
    with running_sshd(tmp_path / "own") as server:
        library = server.library(root)
        library.initialise(IDENTITY)
        writer = library.write_job(PLACE, header(), source_key="source")
        write_chunks(writer, job, job.dones[:2])
        server.kill()
        with pytest.raises(LibraryOffline):
            write_chunks(writer, job, job.dones[2:])
        writer.close()
        with pytest.raises(LibraryOffline):
            library.write_job(PLACE, header(), source_key="source")
        hang_up()
        server.start()

        again = server.library(root).write_job(PLACE, header(), source_key="source")
        assert sum(map(len, again.resumed.values())) == 2
        write_chunks(again, job, job.dones[2:])
        again.publish(header(), job.entries)
        check_copy(server.library(root), job)


def test_a_line_that_breaks_while_reading_damages_nothing(far: Cell, line: BadLine):
    """What cannot be reached is not bad: verification waits and goes on."""
    far.vault += "&exec=no"
    far.apply(SECOND)
    far.dump("large.dump", LARGE)
    with serving(far):
        far.scan()
        assert far.run().state == "completed"
        hang_up()
        line.cut_after = line.sent_bytes + 6000  # a few requests into it
        job = verify(far, "all", copy="offsite")

    assert job.state == "completed", job.reason
    assert {one.verification.value for one in far.ledger("offsite").values()} == {"good"}


def test_a_restore_from_a_host_that_goes_away_takes_the_next_copy(
    far: Cell, line: BadLine, tmp_path: Path
):
    from engine.control import frontdoor

    far.dump("large.dump", LARGE)
    with serving(far):
        far.scan()
        assert far.run().state == "completed"
        line.refuses = True
        line.reset()
        job = far.wait(
            frontdoor.run_restore(
                far.home,
                far.ledger()[b"large.dump"].backup_job_id,
                to=str(tmp_path / "back"),
                copy=None,
                path_globs=(),
                overwrite=False,
                by="test",
            )
        )

    assert job.state == "completed", job.reason
    assert tree(tmp_path / "back/large.dump") == tree(far.landing / "large.dump")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("A FULL DISK OVER SFTP IS NOT TESTED HERE: it needs root to mount one")
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)], check=False
    )
    if done.returncode:
        pytest.skip("A FULL DISK OVER SFTP IS NOT TESTED HERE: this host mounts no tmpfs")
    try:
        yield place
    finally:
        hang_up()
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_from_other_failures(sshd: Sshd, small_disk: Path):
    library = sshd.library(small_disk)
    library.initialise(IDENTITY)
    job = large_job()
    writer = library.write_job(PLACE, header(), source_key="source")

    with pytest.raises(DestinationFull, match="no space left"):
        write_chunks(writer, job)

    writer.close()


def test_a_file_system_that_is_read_only_is_no_failing_disk(sshd: Sshd, small_disk: Path):
    library = sshd.library(small_disk)
    library.initialise(IDENTITY)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with pytest.raises(DestinationRefused, match="its file system is read-only") as refused:
        library.try_out()

    assert "remount it" in refused.value.hint


def test_a_directory_that_may_not_be_written_is_no_full_disk(tmp_path: Path, root: Path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    with running_sshd(tmp_path / "own") as server:
        library = server.library(root)
        library.initialise(IDENTITY)
        root.chmod(0o500)
        try:
            with pytest.raises(StorageError, match="permission denied"):
                copy_job(library, sample_job())
        finally:
            root.chmod(0o700)


def test_bits_that_flip_on_the_media_are_found_over_the_line(sshd: Sshd, root: Path):
    library = sshd.library(root)
    library.initialise(IDENTITY)
    job = large_job(MIB, MIB)
    copy_job(library, job)
    flip(root / PLACE.policy / PLACE.copy / "7/data/large", 5000)

    reader = library.read_job(PLACE, 7)

    assert read_all(reader, job.files[0]) != job.content[b"large"]
    reader.close()


def test_a_line_that_loses_segments_is_slow_and_nothing_else(
    sshd: Sshd, line: BadLine, root: Path
) -> None:
    """As far as it can be emulated: what follows a lost segment waits until that is sent again."""
    library = library_at(sshd, root, line.port)
    library.initialise(IDENTITY)
    line.loss = Loss(0.05, stall_s=0.02)  # fifty times as many as on a bad line, each shorter
    job = sample_job()
    job.file(b"large", random.Random(1).randbytes(4 * MIB), chunk=MIB)

    copy_job(library, job)
    check_copy(library, job)

    assert line.loss.stalls


@pytest.mark.soak
@pytest.mark.parametrize("loss", [0.0, 0.001])
@pytest.mark.parametrize("round_trip_s", [0.025, 0.1])
def test_a_long_line_copies_and_gives_back(
    sshd: Sshd, line: BadLine, root: Path, round_trip_s: float, loss: float
) -> None:
    line.delay_s = round_trip_s / 2
    line.loss = Loss(loss)
    library = library_at(sshd, root, line.port)
    library.initialise(IDENTITY)
    job = sample_job()
    job.file(b"large", random.Random(1).randbytes(LARGE), chunk=8 * MIB)

    copy_job(library, job)

    check_copy(library, job)
    probe = library.probe()
    assert probe.line is not None
    assert probe.line.latency_s is not None
    assert probe.line.latency_s >= round_trip_s
    assert probe.line.connections > 1, "one more for each that the line is longer"
