"""Syncs that fail while the publication goes on already: it ends, and nothing is said to be there."""

import errno
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from engine.library import local_writer
from engine.library.local_writer import LocalJobWriter
from engine.library.syscalls import sync_file_system
from engine.model.entries import Entry, ManifestHeader
from engine.model.errors import DestinationWrite
from engine.transfer import run
from tests.transfer.running import copy
from tests.transfer.trees import ENTRY, Estate, described

LONG_S = 60  # for what comes at once, on a busy host


class LateFault:
    """Lets calls on libraries fail once the publication there has begun; what comes first waits for that.

    Args:
        names: the libraries.
        call: "syncfs" of all batches, "fdatasync" of a large file, or "journal".
    """

    def __init__(self, names: Sequence[str], call: str, patch: pytest.MonkeyPatch) -> None:
        self._names = names
        self._call = call
        self._begun = {name: threading.Event() for name in ("a", "b")}
        self.hits: list[str] = []
        publish, sync, datasync = LocalJobWriter.publish_behind, sync_file_system, os.fdatasync

        def behind(
            writer: LocalJobWriter, header: ManifestHeader, entries: Iterable[Entry]
        ) -> bytes:
            self._begun[self._library(writer._partial.data_fd)].set()
            return publish(writer, header, entries)

        def syncfs(fd: int) -> None:
            self._look(fd, "syncfs")
            sync(fd)

        def fdatasync(fd: int) -> None:
            self._look(fd, "journal" if self._path(fd).endswith("/journal") else "fdatasync")
            datasync(fd)

        patch.setattr(LocalJobWriter, "publish_behind", behind)
        patch.setattr(local_writer, "sync_file_system", syncfs)
        patch.setattr(os, "fdatasync", fdatasync)

    def _look(self, fd: int, call: str) -> None:
        name = self._library(fd)
        if self._path(fd).endswith("/journal.new"):
            return
        assert self._begun[name].wait(LONG_S)
        if call == self._call and name in self._names:
            self.hits.append(name)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _path(self, fd: int) -> str:
        return os.readlink(f"/proc/self/fd/{fd}")

    def _library(self, fd: int) -> str:
        """Of `<root>/<library>/p/copy/.partial/1/...`."""
        return self._path(fd).split("/p/copy/")[0].rpartition("/")[2]


def one_large_among_small(root: Path) -> Estate:
    estate = Estate(root)
    entry = root / "landing" / os.fsdecode(ENTRY)
    entry.mkdir()
    for number in range(40):
        (entry / f"f{number:02}").write_bytes(b"x" * number)
    (entry / "large").write_bytes(os.urandom(2 * 1024 * 1024 + 17))
    return estate


@pytest.mark.parametrize("names", ["a", "ab"])
@pytest.mark.parametrize("call", ["syncfs", "fdatasync", "journal"])
async def test_a_sync_that_fails_when_the_publication_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str, call: str
):
    """Nothing is published there, nothing said to be; the other one is, and the next try is whole."""
    estate = one_large_among_small(tmp_path)

    monkeypatch.setattr(run, "FOLLOWED_FROM", 3)
    with monkeypatch.context() as patch:
        fault = LateFault(names, call, patch)
        [result] = await copy(estate.order("a", "b"), streams=1)

    assert set(fault.hits) == set(names)
    for outcome in result.outcomes:
        is_hit = outcome.copy_name in names
        assert outcome.state == ("failed" if is_hit else "published")
        assert isinstance(outcome.error, DestinationWrite) == is_hit
        assert (outcome.manifest_digest is None) == is_hit
        assert estate.is_published(outcome.copy_name) == (not is_hit)
        unfinished = tmp_path / outcome.copy_name / "p" / "copy" / ".partial" / "1"
        assert not list(unfinished.glob("manifest*"))
    [again] = await copy(estate.order(*names))
    assert [outcome.error for outcome in again.outcomes] == [None] * len(names)
    assert estate.data("a") == estate.data("b") == described(estate.landing)
