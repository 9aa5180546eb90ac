"""A disk that comes from behind a server without a sync: what is unproven there is unfinished here."""

import shutil
from pathlib import Path

import pytest

from engine.library.local import LocalLibrary
from engine.model.errors import DestinationExists, NotFoundError
from tests.library.broken_calls import in_child
from tests.library.local import copy_path, opened
from tests.library.samples import PLACE, Job, check_copy, copy_job, header, sample_job

UNPROVEN = "manifest.jsonl.zst.unproven"


def other_job() -> Job:
    """What it was to take the place of."""
    job = Job()
    job.file(b"old", b"y" * 1000)
    return job


def left_unproven(root: Path, *, in_place: bool = True) -> None:
    """A line that was lost just before the new one was proven: the old one waits in `.removed`."""
    copy = copy_path(root)
    copy_job(opened(root), other_job())
    (copy / "7").rename(root / "aside")
    copy_job(opened(root), sample_job(), source_key="new")
    (copy / ".removed").mkdir()
    (root / "aside").rename(copy / ".removed" / "7")
    (copy / "7" / "manifest.jsonl.zst").rename(copy / "7" / UNPROVEN)
    (copy / "7" / "replaces").touch()
    if not in_place:
        (copy / "7").rename(copy / ".partial" / "7")


def names(root: Path) -> set[str]:
    """All that is in the copy, but not what is in data."""
    copy = copy_path(root)
    return {
        str(path.relative_to(copy))
        for path in copy.rglob("*")
        if "data" not in path.parts[len(copy.parts) :]
    }


WHOLE = {".partial", ".removed", "7", "7/manifest.jsonl.zst"}


@pytest.mark.parametrize("in_place", [True, False])
def test_what_waits_for_an_unproven_one_is_not_swept_away(
    root: Path, library: LocalLibrary, in_place: bool
):
    left_unproven(root, in_place=in_place)

    with pytest.raises(NotFoundError):
        library.read_job(PLACE, 7)
    assert library.published(PLACE) == []
    library.write_job(PLACE, header(8), source_key="another").discard()
    with pytest.raises(DestinationExists):
        library.write_job(PLACE, header(), source_key="new")

    check_copy(library, other_job())


@pytest.mark.parametrize("in_place", [True, False])
def test_it_is_made_anew_in_the_place_of_the_old_one(
    root: Path, library: LocalLibrary, in_place: bool
):
    left_unproven(root, in_place=in_place)

    copy_job(library, sample_job(), source_key="new", replace=True)

    check_copy(library, sample_job())
    assert names(root) == WHOLE


def test_one_that_takes_no_place_is_made_anew(root: Path, library: LocalLibrary):
    copy_job(library, sample_job())
    (copy_path(root) / "7" / "manifest.jsonl.zst").rename(copy_path(root) / "7" / UNPROVEN)
    (copy_path(root) / ".partial" / "7").mkdir()

    copy_job(library, sample_job())

    check_copy(library, sample_job())
    assert names(root) == WHOLE - {".removed"}


def test_one_in_the_making_is_gone_on_with_and_leaves_nothing(root: Path, library: LocalLibrary):
    """Put aside over there, while the journal was still there."""
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.close()
    (copy_path(root) / ".partial" / "7" / UNPROVEN).write_bytes(b"of an earlier try")

    copy_job(library, job)

    check_copy(library, job)
    assert names(root) == WHOLE - {".removed"}


@pytest.mark.parametrize("steps", [(3, 60), pytest.param((1, 1), marks=pytest.mark.soak)])
def test_killed_at_any_call_while_it_is_taken_back(
    fast_path: Path, root: Path, library: LocalLibrary, steps: tuple[int, int]
):
    kept = fast_path / "kept"
    left_unproven(root)
    shutil.copytree(copy_path(root), kept, symlinks=True)
    number, is_done = 0, False

    def write() -> None:
        copy_job(opened(root), sample_job(), source_key="new", replace=True)

    while not is_done:
        number += steps[0] if number < 30 else steps[1]  # taken back with the first ones
        shutil.rmtree(copy_path(root))
        shutil.copytree(kept, copy_path(root), symlinks=True)
        is_done = in_child(write, die_at=number, dying=lambda: None)
        opened(root).write_job(PLACE, header(8), source_key="another").discard()
        if not opened(root).published(PLACE):
            with pytest.raises(DestinationExists):
                opened(root).write_job(PLACE, header(), source_key="new")
        reader = opened(root).read_job(PLACE, 7)
        is_old = any(entry.path == b"old" for entry in reader.entries())
        reader.close()
        check_copy(opened(root), other_job() if is_old else sample_job())
    assert number > 40
