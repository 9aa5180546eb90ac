"""Against the servers of `rclone`: what works with those of others works there, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.library.interface import Library
from engine.library.objects import connection, parts
from engine.library.objects.library import ObjectLibrary
from engine.library.sftp.link import hang_up
from engine.library.trying import TriesOut
from engine.model.errors import DestinationError, DestinationExists
from engine.model.names import rel_path
from tests.library.samples import (
    COMMCELL,
    IDENTITY,
    PLACE,
    check_copy,
    copy_job,
    header,
    sample_job,
    write_chunks,
)
from tests.remote.rclone import rclone_program, rclone_s3, rclone_sftp

Opener = Callable[[], Library]


@pytest.fixture(params=["sftp", "s3"])
def opener(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Opener]:
    """Opens the same library each time, as another process would."""
    for name in ("PART_BYTES", "WHOLE_BYTES"):
        monkeypatch.setattr(parts, name, 65_536)
    program, root = rclone_program(least=(1, 70)), tmp_path / "root"
    (root / "library").mkdir(parents=True)
    if request.param == "sftp":
        with rclone_sftp(program, tmp_path / "server", root) as server:
            yield lambda: server.library(Path("/library"))
            hang_up()
        return
    with rclone_s3(program, tmp_path / "server", root) as store:
        url, home = store.url("library"), tmp_path / "home"
        home.mkdir()
        yield lambda: ObjectLibrary.of_url("vault", url, home=home, uuid="", commcell_id=COMMCELL)
        connection.close_connections()


def test_a_job_copy_goes_on_and_is_whole(opener: Opener):
    library, job = opener(), sample_job()
    job.file(b"tree/sub/a b+c%20", bytes(1000))
    library.initialise(IDENTITY)
    assert isinstance(library, TriesOut)
    assert library.try_out()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:3])
    writer.close()

    library = opener()
    writer = library.write_job(PLACE, header(), source_key="source")
    resumed = writer.resumed
    writer.close()
    copy_job(library, job)

    assert resumed.get(rel_path(b"tree/big"), ()) == tuple(d.chunk for d in job.dones[:3])
    check_copy(opener(), job)
    with pytest.raises(DestinationExists):
        copy_job(library, job)
    copy_job(library, job, replace=True)
    check_copy(opener(), job)
    library.remove_job(PLACE, 7)
    assert library.published(PLACE) == []


def test_one_that_loses_what_it_took_is_refused(tmp_path: Path):
    program, root = rclone_program(below=(1, 61)), tmp_path / "root"
    (root / "library").mkdir(parents=True)
    flags = "--vfs-write-back", "1h"  # it writes nothing before the rename, however slow the host
    with rclone_sftp(program, tmp_path / "server", root, *flags) as server:
        library = server.library(Path("/library"))
        library.initialise(IDENTITY)

        with pytest.raises(DestinationError, match="cannot publish"):
            copy_job(library, sample_job())

        assert library.published(PLACE) == []
        hang_up()
