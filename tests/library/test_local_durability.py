"""What is durable at each step of a publication, by what was called alone.

A power cut on a real file system shows one of the states that may be left. Here every call counts as
lost until something synced it, in whatever order a file system writes: so nothing may be renamed into
its place, or journaled, while anything that it speaks of is not synced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.library import syscalls
from engine.library.local import LocalLibrary
from tests.library.local import copy_path
from tests.library.samples import (
    PLACE,
    Job,
    check_copy,
    copy_job,
    followed_job,
    header,
    sample_job,
)
from tests.library.test_local_crashes import (
    big_batch_job,
    new_job,
    replaced,
    write_behind,
    write_in_batches,
)
from tests.library.unsynced import Unsynced, followed, path_of

NEVER_IN_PLACE_OF_ANYTHING = 1  # flag of renameat2


class UnsyncedCopy(Unsynced):
    """Looks at every step of a publication whether all is synced that must be by then.

    Args:
        copy: where its job copies lie.
    """

    def __init__(self, copy: Path) -> None:
        super().__init__(copy)
        self.checked: list[str] = []
        self.is_first_try = True
        """Else directories may be found that were never synced: what lies in one that is lost is
        not there, and not believed."""

    def before(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if name == "renameat2":
            if path_of(args[0]).endswith(b"/.partial") and args[4] == NEVER_IN_PLACE_OF_ANYTHING:
                self.checked.append("job copy")
                assert self.below(path_of(args[0]) + b"/" + args[1]) == []
        elif name == "rename":
            self._before_rename(args[0], path_of(kwargs["src_dir_fd"]))
        elif name == "unlink" and args[0] == b"journal":
            self._before_the_journal_goes(path_of(kwargs["dir_fd"]))
        elif name == "pwrite" and path_of(args[0]).endswith(b"/journal"):
            self._before_journaling(bytes(args[1]))

    def _before_rename(self, name: bytes, where: bytes) -> None:
        if name == b"manifest.jsonl.zst.new":
            self.checked.append("manifest")
            assert self.below(where, but=(b".",)) == []
        elif name == b"journal.new":
            self.checked.append("journal")
            assert where + b"/journal.new" not in self.inodes.values()

    def _before_the_journal_goes(self, where: bytes) -> None:
        if os.path.lexists(where + b"/manifest.jsonl.zst"):
            self.checked.append("end of journal")
            assert where not in self.inodes.values()

    def _before_journaling(self, lines: bytes) -> None:
        for line in lines.splitlines():
            record = json.loads(line.partition(b" ")[2] or b"{}")
            if "chunk" in record:
                self.checked.append("chunk")
                path = self.root + b"/.partial/7/data/" + os.fsencode(record["path"])
                assert os.lstat(path).st_ino not in self.inodes, path
                while self.is_first_try and not path.endswith(b"/7"):
                    assert os.lstat(path).st_ino not in self.inodes, path
                    path = os.path.dirname(path)


def bare_job() -> Job:
    """No directories: an empty file is the last that is made, at its publication."""
    job = Job()
    job.file(b"content", b"content")
    job.file(b"empty", b"")
    return job


@pytest.mark.parametrize("is_honest", [True, False])
@pytest.mark.parametrize(
    ("work", "make"),
    [
        (copy_job, sample_job),
        (copy_job, bare_job),
        (write_in_batches, sample_job),
        (write_in_batches, big_batch_job),
        (write_behind, followed_job),
    ],
)
def test_nothing_is_journaled_or_published_before_it_is_durable(
    root: Path,
    library: LocalLibrary,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[LocalLibrary, Job], object],
    make: Callable[[], Job],
    is_honest: bool,
):
    monkeypatch.setattr(syscalls, "_reports_lost_writes", lambda: is_honest)
    job = make()

    with followed(UnsyncedCopy(copy_path(root))) as unsynced:
        work(library, job)

    assert unsynced.checked[-3:] == ["manifest", "end of journal", "job copy"]
    assert unsynced.checked.count("chunk") == len(job.dones)
    assert unsynced.below(bytes(copy_path(root)), but=(b".partial",)) == []
    check_copy(library, job)


@pytest.mark.parametrize("is_honest", [True, False])
def test_what_takes_the_place_of_another_is_durable_before_that(
    root: Path, library: LocalLibrary, monkeypatch: pytest.MonkeyPatch, is_honest: bool
):
    monkeypatch.setattr(syscalls, "_reports_lost_writes", lambda: is_honest)
    copy_job(library, sample_job())

    with followed(UnsyncedCopy(copy_path(root))) as unsynced:
        replaced(library, new_job())

    assert unsynced.checked[-3:] == ["manifest", "end of journal", "job copy"]
    assert unsynced.below(bytes(copy_path(root)), but=(b".partial",)) == []
    check_copy(library, new_job())


def test_what_an_earlier_try_made_is_synced_before_it_is_published(
    root: Path, library: LocalLibrary
):
    """Killed before anything was synced, in the same boot: this try finds files and directories."""
    job = sample_job()
    with followed(UnsyncedCopy(copy_path(root))) as unsynced:
        first = library.write_job(PLACE, header(), source_key="source")
        for file in job.files:
            first.open_file(file).close()
        first.close()
        unsynced.is_first_try = False
        copy_job(library, job)

    assert "job copy" in unsynced.checked
    assert unsynced.below(bytes(copy_path(root)), but=(b".partial",)) == []
