"""A library over SFTP: the same on the media as a local one, links not followed, names as bytes."""

from __future__ import annotations

import os
import random
import stat
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest

from engine.library.digesting import Piece
from engine.library.interface import Done, Library
from engine.library.journal import journal_content, journal_lines
from engine.library.local import LocalLibrary
from engine.library.sftp import digests, journaling
from engine.library.sftp.library import SftpLibrary
from engine.library.sftp.link import hang_up
from engine.library.sftp.session import SftpSession
from engine.model.errors import (
    DestinationError,
    DestinationExists,
    DestinationFull,
    LibraryOffline,
    SourceCorrupt,
    SourceRead,
    StorageError,
)
from engine.model.names import rel_path
from tests.control.upkeep import wait_until
from tests.library.samples import (
    COMMCELL,
    IDENTITY,
    MTIME_NS,
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    read_all,
    sample_job,
    write_chunks,
)
from tests.remote.sshd import Sshd, running_sshd


@pytest.fixture
def library(sshd: Sshd, root: Path) -> SftpLibrary:
    library = sshd.library(root)
    library.initialise(IDENTITY)
    return library


def job_directory(root: Path, job_id: int = 7) -> Path:
    return root / PLACE.policy / PLACE.copy / str(job_id)


def test_a_copy_that_was_made_over_sftp_is_one_of_a_local_library(library: SftpLibrary, root: Path):
    job = sample_job()

    copy_job(library, job)

    local = LocalLibrary("vault", bytes(root), uuid=IDENTITY.uuid, commcell_id=COMMCELL)
    check_copy(local, job)
    data = job_directory(root) / "data"
    assert stat.S_IMODE((data / "tree").stat().st_mode) == 0o555
    assert stat.S_IMODE((data / "tree/big").stat().st_mode) == 0o444
    assert (data / "tree/big").stat().st_mtime == MTIME_NS // 10**9
    assert (data / "tree").stat().st_mtime == MTIME_NS // 10**9
    assert (data / "tree/big").stat().st_ino == (data / "tree/same").stat().st_ino
    assert os.readlink(data / "tree/sub/up") == "../../../../etc/passwd"
    assert (data / "tree/sub/up").lstat().st_mtime == MTIME_NS // 10**9


def test_a_copy_of_a_local_library_is_read_over_sftp(library: SftpLibrary, root: Path):
    job = sample_job()
    local = LocalLibrary("vault", bytes(root), uuid=IDENTITY.uuid, commcell_id=COMMCELL)

    copy_job(local, job)

    check_copy(library, job)
    reader = library.read_job(PLACE, 7)
    for entry in job.entries:
        reader.check_structure(entry)
    reader.close()


def test_an_unfinished_copy_goes_on_from_either_side(library: SftpLibrary, root: Path):
    job = sample_job()
    local = LocalLibrary("vault", bytes(root), uuid=IDENTITY.uuid, commcell_id=COMMCELL)
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:3])
    writer.close()

    writer = local.write_job(PLACE, header(), source_key="source")

    assert writer.resumed == {rel_path(b"tree/big"): tuple(d.chunk for d in job.dones[:3])}
    write_chunks(writer, job, job.dones[3:4])
    writer.close()
    far = library.write_job(PLACE, header(), source_key="source")
    assert len(far.resumed[rel_path(b"tree/big")]) == 4
    far.discard()


def test_many_names_survive_byte_for_byte(library: Library):
    chance = random.Random(6)
    job = Job()
    for number in range(80):
        raw = chance.randbytes(chance.randint(1, 60)).replace(b"/", b"_").replace(b"\0", b"_")
        job.file(raw + b"%d" % number, raw)

    copy_job(library, job)

    check_copy(library, job)


@pytest.mark.parametrize("what", ["data", "tree", "tree/big"])
def test_links_that_are_planted_in_a_published_copy_are_not_followed(
    library: SftpLibrary, root: Path, tmp_path: Path, what: str
):
    job = sample_job()
    copy_job(library, job)
    place = job_directory(root) / ("data" if what == "data" else f"data/{what}")
    elsewhere = tmp_path / "elsewhere"
    place.parent.chmod(0o700)
    place.rename(elsewhere)
    place.symlink_to(elsewhere)

    reader = library.read_job(PLACE, 7)

    big = next(entry for entry in job.files if entry.path == b"tree/big")
    with pytest.raises((SourceRead, SourceCorrupt)):
        read_all(reader, big)
    reader.close()


def test_links_that_are_planted_in_an_unfinished_copy_are_not_followed(
    library: SftpLibrary, root: Path, tmp_path: Path
):
    job = sample_job()
    outside = tmp_path / "outside"
    outside.mkdir()
    writer = library.write_job(PLACE, header(), source_key="source")
    data = root / PLACE.policy / PLACE.copy / ".partial" / "7" / "data"
    (data / "tree").symlink_to(outside)

    with pytest.raises(StorageError):
        write_chunks(writer, job)

    writer.close()
    assert list(outside.iterdir()) == []


def test_a_file_that_is_planted_as_a_link_is_not_written_through(
    library: SftpLibrary, root: Path, tmp_path: Path
):
    job = Job()
    entry = job.file(b"a", b"content")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    writer = library.write_job(PLACE, header(), source_key="source")
    data = root / PLACE.policy / PLACE.copy / ".partial" / "7" / "data"
    (data / "a").symlink_to(victim)

    with pytest.raises(DestinationError):
        writer.write_batch([(entry, memoryview(b"content"))])
    with pytest.raises(StorageError):
        writer.open_file(entry)

    writer.close()
    assert victim.read_text() == "mine"


def test_a_directory_that_is_not_there_is_offline(sshd: Sshd, tmp_path: Path):
    library = sshd.library(tmp_path / "nothing")

    with pytest.raises(LibraryOffline, match="no such file or directory"):
        library.initialise(IDENTITY)


def test_the_writer_of_a_process_that_was_killed_is_followed_at_once(
    library: SftpLibrary, root: Path
):
    job = sample_job()
    first = library.write_job(PLACE, header(), source_key="source")
    write_chunks(first, job, job.dones[:3])
    lock = root / PLACE.policy / PLACE.copy / ".partial" / "7.lock"
    lock.write_bytes(lock.read_bytes().replace(b'"pid": ', b'"pid": 9999999, "was": '))

    second = library.write_job(PLACE, header(), source_key="source")

    assert len(second.resumed[rel_path(b"tree/big")]) == 3
    with pytest.raises(StorageError, match="another auxtui is writing"):  # as if it lived on
        write_chunks(first, job, job.dones[3:4])
    first.close()
    second.close()
    assert not lock.exists()


def test_what_was_written_before_a_restart_of_that_host_is_proven_again(
    library: SftpLibrary, root: Path
):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:3])
    writer.close()
    partial = root / PLACE.policy / PLACE.copy / ".partial" / "7"
    with (partial / "data/tree/big").open("r+b") as stream:  # a crash took this chunk
        stream.seek(job.dones[1].chunk.offset)
        stream.write(bytes(1000))
    as_if_restarted(partial / "journal")

    writer = library.write_job(PLACE, header(), source_key="source")

    kept = writer.resumed[rel_path(b"tree/big")]
    assert kept == (job.dones[0].chunk, job.dones[2].chunk)
    writer.close()


def as_if_restarted(journal: Path) -> None:
    """Writes the first line of a journal anew, as one that another boot has begun."""
    content = journal_content(BytesIO(journal.read_bytes()))
    assert content is not None
    of_before = replace(content.header, boot_id="of before")
    done = [Done(path, c) for path, each in content.chunks.items() for c in each.values()]
    journal.write_bytes(b"".join(journal_lines(of_before, done)))


def test_a_published_copy_stays_when_it_is_written_again(library: SftpLibrary):
    job = sample_job()
    copy_job(library, job)

    with pytest.raises(DestinationExists):
        library.write_job(PLACE, header(), source_key="another")

    check_copy(library, job)


def test_what_the_line_is_like_is_told(library: SftpLibrary):
    probe = library.probe()

    assert probe.identity == IDENTITY
    assert probe.free_bytes is not None
    assert probe.line is not None
    assert probe.line.connections >= 1
    assert probe.line.latency_s is not None
    assert "OpenSSH" in probe.line.peer
    assert {"fsync", "posix-rename", "hardlink", "statvfs"} <= set(probe.line.offers)


def test_a_host_that_is_slow_to_open_a_channel_is_not_taken_for_a_distant_one(
    library: SftpLibrary, monkeypatch: pytest.MonkeyPatch
):
    usual = SftpSession.connection_made

    def connection_made(session: SftpSession, channel: Any) -> None:
        usual(session, channel)
        session.opened_at += 1000

    monkeypatch.setattr(SftpSession, "connection_made", connection_made)
    hang_up()

    library.probe()

    assert library.latency_s < 1000


def test_an_account_that_may_use_sftp_and_nothing_else(forced: Sshd, root: Path):
    library = forced.library(root)
    library.initialise(IDENTITY)
    job = sample_job()

    copy_job(library, job)

    check_copy(library, job)
    reader = library.read_job(PLACE, 7)
    assert reader.far_digests([Piece(entry, entry.chunks[0]) for entry in job.files[:1]]) is None
    reader.close()
    line = library.probe().line
    assert line is not None
    assert any("b3sum" in lack for lack in line.lacks)
    assert [step.name for step in library.try_out()][-1] == "delete"


def test_a_journal_whose_line_is_lost_half_way_leaves_no_file_open(
    library: SftpLibrary, monkeypatch: pytest.MonkeyPatch
):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:2])
    writer.close()
    spooled: list[SpooledTemporaryFile[bytes]] = []

    def counted(size: int) -> SpooledTemporaryFile[bytes]:
        spooled.append(SpooledTemporaryFile(size))  # noqa: SIM115 - what is tested closes it
        return spooled[-1]

    read_into = SftpSession.read_into

    async def lost(*given: Any) -> int:
        if spooled:
            raise LibraryOffline("the line is lost")
        return await read_into(*given)

    monkeypatch.setattr(journaling.tempfile, "SpooledTemporaryFile", counted)
    monkeypatch.setattr(SftpSession, "read_into", lost)
    with pytest.raises(LibraryOffline):
        library.write_job(PLACE, header(), source_key="source")

    assert [copy.closed for copy in spooled] == [True]


def test_an_account_whose_shell_does_not_come_to_an_end(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
):
    """What a login runs before every command can hang: what is verified is read back, then."""
    monkeypatch.setattr(digests, "_PROBE_S", 0.2)
    hangs = "ForceCommand [ $SSH_ORIGINAL_COMMAND = internal-sftp ] && exec sftp-server; sleep 999"
    with running_sshd(tmp_path / "own", hangs) as server:
        library = server.library(root)
        library.initialise(IDENTITY)
        job = sample_job()
        copy_job(library, job)

        reader = library.read_job(PLACE, 7)
        piece = Piece(job.files[0], job.files[0].chunks[0])
        assert reader.far_digests([piece]) is None
        reader.close()

        check_copy(library, job)
        line = library.probe().line
        assert line is not None
        assert any("did not end in" in lack for lack in line.lacks)
        hang_up()


def test_a_server_that_writes_nothing_any_more_is_told_from_a_full_disk(
    sshd: Sshd, root: Path, tmp_path: Path
):
    job = sample_job()
    library = sshd.library(root)
    library.initialise(IDENTITY)
    copy_job(library, job)
    with running_sshd(tmp_path / "own", "ForceCommand internal-sftp -R") as server:
        readable = server.library(root)
        check_copy(readable, job)

        with pytest.raises(StorageError, match="permission denied") as refused:
            copy_job(readable, job, header(8))
        with pytest.raises(StorageError, match="permission denied"):
            readable.try_out()
        hang_up()

    assert not isinstance(refused.value, DestinationFull)


def test_a_job_copy_that_is_given_up_and_begun_again(library: SftpLibrary, root: Path):
    """What is remembered of a directory does not outlive it."""
    job = sample_job()
    for _ in range(2):
        writer = library.write_job(PLACE, header(), source_key="source")
        write_chunks(writer, job, job.dones[:2])
        writer.discard()
    assert library.partial(PLACE) == []

    copy_job(library, job)

    check_copy(library, job)
    assert [p.name for p in (root / PLACE.policy / PLACE.copy / ".partial").iterdir()] == []


def test_a_handle_is_closed_once(sshd: Sshd, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed twice, a handle that the server has given to another file by then would be closed."""
    closed: list[bytes] = []
    let_go = SftpSession.let_go

    def note(self: SftpSession, handle: bytes) -> None:
        closed.append(handle)
        let_go(self, handle)

    library = sshd.library(root)
    library.initialise(IDENTITY)
    writer = library.write_job(PLACE, header(), source_key="source")
    monkeypatch.setattr(SftpSession, "let_go", note)

    writer.close()
    wait_until(lambda: bool(closed))  # nobody waits for a file that is just being made
    writer.close()

    assert len(set(closed)) == len(closed)


@pytest.mark.parametrize("mode", [0o755, 0o555])
@pytest.mark.parametrize("harm", ["added", "gone", "changed"])
def test_what_a_stranger_does_to_a_fresh_job_copy_is_undone_or_refused(
    library: SftpLibrary, root: Path, mode: int, harm: str
):
    job = Job()
    job.directory(b"tree", mode)
    job.file(b"tree/one", b"one")
    job.file(b"tree/none", b"")
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.write_batch([(each, memoryview(job.content[each.path])) for each in job.files])
    writer.record(job.dones)
    tree = root / PLACE.policy / PLACE.copy / ".partial" / "7" / "data" / "tree"
    if harm == "added":
        (tree / "stranger").write_text("x")
    elif harm == "gone":
        (tree / "none").unlink()
    else:
        (tree / "one").write_text("longer")
        with pytest.raises(DestinationError, match="it has 6 bytes there, 3 were written"):
            writer.publish(header(), job.entries)
        return

    writer.publish(header(), job.entries)

    check_copy(library, job)
    published = job_directory(root) / "data" / "tree"
    assert sorted(os.listdir(published)) == ["none", "one"]
    assert stat.S_IMODE(published.stat().st_mode) == mode
    assert published.stat().st_mtime_ns == MTIME_NS // 10**9 * 10**9
