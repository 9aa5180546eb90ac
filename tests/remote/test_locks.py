"""Who may hold a lock on the other host: what is left of the dead is taken at once, of nobody else."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engine.library.sftp import holding
from engine.library.sftp.holding import LAPSED_S, RENEW_S, Holder
from engine.library.sftp.library import SftpLibrary
from engine.library.sftp.link import hang_up
from engine.model.errors import DestinationExists, DestinationWrite
from tests.library.samples import IDENTITY, PLACE, copy_job, header, sample_job
from tests.remote.sshd import Sshd

DEAD = replace(Holder.of_this_process(), pid=99_999_999, started="1")
BEFORE = replace(Holder.of_this_process(), boot_id="another boot of this host", pid=1, started="1")
LIVING = replace(Holder.of_this_process(), pid=1, started=holding._start_of(1))
ELSEWHERE = replace(DEAD, host="another host")
"""Of it nothing can be told from here."""


@pytest.fixture(params=["sshd", "plain_sftp"])
def library(request: pytest.FixtureRequest, root: Path) -> SftpLibrary:
    """With a server that keeps the order of requests, and with one of which that is not known."""
    server: Sshd = request.getfixturevalue(request.param)
    hang_up()  # what was swept before is not swept again
    library = server.library(root)
    library.initialise(IDENTITY)
    return library


@pytest.fixture
def partials(root: Path) -> Path:
    path = root / PLACE.policy / PLACE.copy / ".partial"
    path.mkdir(parents=True, exist_ok=True)
    return path


def test_what_a_lost_line_left_beside_a_published_copy_goes(library: SftpLibrary, partials: Path):
    copy_job(library, sample_job())
    left = partials / "7"
    (left / "data").mkdir(parents=True)
    (left / "journal").touch()

    with pytest.raises(DestinationExists):
        copy_job(library, sample_job())

    assert not left.exists()


def test_what_is_to_replace_a_published_copy_stays(library: SftpLibrary, partials: Path):
    copy_job(library, sample_job())
    library.write_job(PLACE, header(), source_key="source", replace=True).close()

    with pytest.raises(DestinationExists):
        copy_job(library, sample_job())

    assert (partials / "7").exists()


def text_of(holder: Holder) -> str:
    return json.dumps(asdict(holder)) + "   \n"


def claim(partials: Path, holder: Holder, *, job_id: int = 7, left: str = "") -> Path:
    path = partials / f"{job_id}.lock{holder.claim.decode()}{left}"
    path.touch()
    return path


def assert_is_free(library: SftpLibrary, partials: Path) -> None:
    copy_job(library, sample_job())
    assert list(partials.iterdir()) == []


def assert_is_held(library: SftpLibrary, partials: Path) -> None:
    before = sorted(partials.iterdir())
    with pytest.raises(DestinationWrite, match="another auxtui is writing it"):
        library.write_job(PLACE, header(), source_key="source")
    assert sorted(partials.iterdir()) == before, "who gives up leaves nothing"


@pytest.mark.parametrize("holder", [DEAD, BEFORE])
def test_a_lock_of_the_dead_is_taken(library: SftpLibrary, partials: Path, holder: Holder):
    (partials / "7.lock").write_text(text_of(holder))
    (partials / "7").mkdir()
    assert_is_free(library, partials)


@pytest.mark.parametrize("holder", [LIVING, ELSEWHERE])
def test_a_lock_of_the_living_is_held(library: SftpLibrary, partials: Path, holder: Holder):
    (partials / "7.lock").write_text(text_of(holder))
    assert_is_held(library, partials)


def test_a_lock_of_another_host_lapses(library: SftpLibrary, partials: Path):
    lock = partials / "7.lock"
    lock.write_text(text_of(ELSEWHERE))
    (partials / "7").mkdir()
    os.utime(lock, (0, time.time() - LAPSED_S - 60))
    assert_is_free(library, partials)


@pytest.mark.parametrize("holder", [DEAD, BEFORE])
def test_an_empty_lock_is_taken_when_all_who_may_have_it_are_gone(
    library: SftpLibrary, partials: Path, holder: Holder
):
    (partials / "7.lock").touch()
    (partials / "7").mkdir()
    library.far.link.known.places.add(bytes(partials))  # nothing is swept before
    claim(partials, holder)
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.close()
    assert not (partials / "7.lock").exists()


@pytest.mark.parametrize("holders", [[LIVING], [DEAD, LIVING], [ELSEWHERE], [DEAD, ELSEWHERE], []])
def test_an_empty_lock_is_held_while_somebody_may_have_it(
    library: SftpLibrary, partials: Path, holders: list[Holder]
):
    (partials / "7.lock").touch()
    (partials / "7").mkdir()
    library.far.link.known.places.add(bytes(partials))
    for holder in holders:
        claim(partials, holder)
    assert_is_held(library, partials)


def test_an_empty_lock_of_nobody_lapses_soon(library: SftpLibrary, partials: Path):
    lock = partials / "7.lock"
    lock.touch()
    (partials / "7").mkdir()
    os.utime(lock, (0, time.time() - RENEW_S - 60))
    assert_is_free(library, partials)


def test_the_first_job_copy_sweeps_what_the_dead_have_left(library: SftpLibrary, partials: Path):
    (partials / "8.lock").write_text(text_of(DEAD))
    claim(partials, DEAD, job_id=9)
    claim(partials, BEFORE, job_id=9, left=".left")
    kept = {
        claim(partials, LIVING, job_id=9),
        claim(partials, ELSEWHERE, job_id=9),
        partials / "10.lock",
        partials / "11.lock",
        partials / "notes",
    }
    (partials / "10.lock").write_text(text_of(LIVING))
    (partials / "11.lock").touch()
    (partials / "notes").touch()

    copy_job(library, sample_job())

    assert set(partials.iterdir()) == kept


def test_a_lock_that_another_has_taken_is_seen_though_it_is_of_the_same_second(
    library: SftpLibrary, partials: Path
):
    writer = library.write_job(PLACE, header(), source_key="source")
    lock = partials / "7.lock"
    found = lock.stat()
    lock.write_text(text_of(LIVING))
    os.utime(lock, (found.st_atime, found.st_mtime))

    with pytest.raises(DestinationWrite, match="another auxtui is writing it"):
        writer.publish(header(), [])
    writer.close()
    assert lock.exists(), "it is another's"
