"""SFTP servers that are not OpenSSH: they announce what they refuse, and lose what they acknowledge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.library.sftp.library import SftpLibrary
from engine.library.sftp.link import hang_up
from engine.library.sftp.partial import FarPartial
from engine.library.sftp.unproven import Unproven
from engine.model.errors import (
    DestinationExists,
    DestinationWrite,
    LibraryOffline,
    NotFoundError,
)
from engine.model.names import rel_path
from tests.library.samples import (
    IDENTITY,
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    sample_job,
    write_chunks,
)
from tests.remote.plain import Boasting, ByName, InOrder, Losing, running_plain_server


@contextmanager
def library_on(kind: type[Boasting], tmp_path: Path) -> Iterator[SftpLibrary]:
    root = tmp_path / "library"
    root.mkdir()
    with running_plain_server(tmp_path / "server", kind, Boasting.announces) as server:
        library = server.library(root)
        library.initialise(IDENTITY)
        try:
            yield library
        finally:
            hang_up()


def test_what_is_announced_and_refused_is_done_without(tmp_path: Path):
    with library_on(Boasting, tmp_path) as library:
        job = sample_job()

        copy_job(library, job)

        found = library.probe()
        assert found.free_bytes is None
        assert found.line is not None
        assert found.line.offers == ("sftp3", "lsetstat")  # nothing was found that needs it
        check_copy(library, job)
        reader = library.read_job(PLACE, 7)
        for entry in job.entries:
            reader.check_structure(entry)
        reader.close()
        assert [step.name for step in library.try_out()][-2:] == ["write at any place", "delete"]


def test_a_server_that_knows_open_files_by_name_keeps_what_was_proven(tmp_path: Path):
    with library_on(ByName, tmp_path) as library:
        job = sample_job()
        writer = library.write_job(PLACE, header(), source_key="source")
        write_chunks(writer, job, job.dones[:3])
        writer.close()

        writer = library.write_job(PLACE, header(), source_key="source")

        assert writer.resumed == {rel_path(b"tree/big"): tuple(d.chunk for d in job.dones[:3])}
        writer.close()


@pytest.mark.parametrize("loses", ["manifest.jsonl.zst", "manifest.jsonl.zst.unproven", "small"])
def test_what_a_server_loses_with_the_rename_is_never_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loses: str
):
    monkeypatch.setattr(Losing, "loses", loses.encode())
    with library_on(Losing, tmp_path) as library:
        with pytest.raises(DestinationWrite, match=f"the server took .*{loses[:8]}.*not have it"):
            copy_job(library, sample_job())

        assert library.published(PLACE) == []
        monkeypatch.setattr(Losing, "loses", b"nothing")
        copy_job(library, sample_job())
        check_copy(library, sample_job())


def test_what_a_server_loses_takes_the_place_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Losing, "loses", b"nothing")
    with library_on(Losing, tmp_path) as library:
        copy_job(library, sample_job())
        monkeypatch.setattr(Losing, "loses", b"other")
        other = Job()
        other.file(b"other", b"other")

        with pytest.raises(DestinationWrite, match="the server took other"):
            copy_job(library, other, replace=True)

        check_copy(library, sample_job())


def test_what_cannot_be_taken_back_is_no_copy_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The line is lost just then; whoever writes it next takes it back first."""
    monkeypatch.setattr(Losing, "loses", b"small")
    monkeypatch.setattr(Losing, "cuts", b"/.partial/7")
    with library_on(Losing, tmp_path) as library:
        with pytest.raises((DestinationWrite, LibraryOffline)):
            copy_job(library, sample_job())

        assert (published_directory(tmp_path) / "data").is_dir(), "under its last name"
        assert (library.published(PLACE), library.partial(PLACE)) == ([], [7])
        assert [(one.job_ids, one.partial_ids) for one in library.copies()] == [((), (7,))]
        with pytest.raises(NotFoundError):
            library.read_job(PLACE, 7)
        monkeypatch.setattr(Losing, "cuts", b"")
        monkeypatch.setattr(Losing, "loses", b"nothing")
        copy_job(library, sample_job())
        check_copy(library, sample_job())
        assert library.partial(PLACE) == []


def test_what_was_not_proven_when_the_line_was_lost_is_proven_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Losing, "loses", b"nothing")
    with library_on(Losing, tmp_path) as library:
        with monkeypatch.context() as lost:
            lost.setattr(Unproven, "prove", _stop)
            with pytest.raises(DestinationWrite, match="killed here"):
                copy_job(library, sample_job())
        assert library.published(PLACE) == []

        with pytest.raises(DestinationExists):
            copy_job(library, sample_job())

        check_copy(library, sample_job())


def test_a_byte_that_is_another_is_found_before_what_was_not_proven_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Losing, "loses", b"nothing")
    with library_on(Losing, tmp_path) as library:
        with monkeypatch.context() as lost:
            lost.setattr(Unproven, "prove", _stop)
            with pytest.raises(DestinationWrite, match="killed here"):
                copy_job(library, sample_job())
        small = published_directory(tmp_path) / "data/tree/sub/small"
        small.chmod(0o600)
        small.write_bytes(bytes(small.stat().st_size))

        copy_job(library, sample_job())

        check_copy(library, sample_job())


def test_what_an_unproven_one_takes_the_place_of_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Losing, "loses", b"nothing")
    with library_on(Losing, tmp_path) as library:
        copy_job(library, sample_job())
        monkeypatch.setattr(Losing, "loses", b"other")
        monkeypatch.setattr(Losing, "cuts", b"/.partial/7")
        other = Job()
        other.file(b"other", b"other")
        with pytest.raises((DestinationWrite, LibraryOffline)):
            copy_job(library, other, replace=True)
        monkeypatch.setattr(Losing, "cuts", b"")
        hang_up()
        library.write_job(PLACE, header(8), source_key="another").close()  # it sweeps that place

        with pytest.raises(DestinationExists):
            library.write_job(PLACE, header(), source_key="source")

        check_copy(library, sample_job())


def published_directory(tmp_path: Path) -> Path:
    return tmp_path / "library" / PLACE.policy / PLACE.copy / "7"


def test_the_trial_says_that_a_server_writes_only_in_order(tmp_path: Path):
    with (
        library_on(InOrder, tmp_path) as library,
        pytest.raises(DestinationWrite, match="but from its beginning on") as caught,
    ):
        library.try_out()

    assert "--vfs-cache-mode" in caught.value.hint
    assert list((tmp_path / "library").glob(".auxtui-probe*")) == []


def test_what_was_killed_before_its_rename_is_published_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with library_on(Boasting, tmp_path) as library:
        job = sample_job()
        with monkeypatch.context() as killed:
            killed.setattr(FarPartial, "commit", _stop)
            with pytest.raises(DestinationWrite, match="killed here"):
                copy_job(library, job)

        with pytest.raises(DestinationExists):
            copy_job(library, job)

        check_copy(library, job)


async def _stop(*_: object) -> None:
    raise OSError("killed here")
