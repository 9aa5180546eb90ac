"""What a library in a directory does beyond the contract: its marker, other accounts, its URLs."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.library import open_library
from engine.library.interface import Place
from engine.library.local import LocalLibrary
from engine.model.errors import (
    LibraryOffline,
    StorageError,
    UsageError,
)
from tests.library.broken_calls import failing, watched
from tests.library.local import copy_path, needs_root, opened
from tests.library.samples import (
    COMMCELL,
    IDENTITY,
    PLACE,
    copy_job,
    header,
    read_all,
    sample_job,
    write_chunks,
)


def test_the_marker_says_whose_library_it_is(root: Path, library: LocalLibrary):
    record = json.loads((root / "auxtui-library.json").read_text())
    assert len(bytes.fromhex(record.pop("blake3"))) == 32
    assert record == {
        "uuid": "u-1",
        "name": "vault",
        "commcell_id": COMMCELL,
        "commcell": "Sample",
        "format": 1,
    }
    assert os.listdir(root) == ["auxtui-library.json"]


def test_a_missing_root_is_offline_and_is_not_made(root: Path):
    missing = root / "unmounted"

    for call in (
        lambda: opened(missing).initialise(IDENTITY),
        lambda: opened(missing).probe(),
        lambda: opened(missing).write_job(PLACE, header(), source_key="s"),
    ):
        with pytest.raises(LibraryOffline, match="no such file") as offline:
            call()
        assert "mount" in offline.value.hint
    assert not missing.exists()


def test_an_empty_mount_point_is_not_filled(root: Path):
    known = opened(root, uuid="u-1")

    for call in (
        known.probe,
        lambda: known.initialise(IDENTITY),
        lambda: known.published(PLACE),
        lambda: known.write_job(PLACE, header(), source_key="s"),
        lambda: known.remove_job(PLACE, 7),
    ):
        with pytest.raises(LibraryOffline, match="no marker"):
            call()
    assert os.listdir(root) == []


FOREIGN: list[tuple[dict[str, object], str]] = [
    ({"commcell_id": "another"}, "another CommCell, Sample"),
    ({"uuid": "u-2", "name": "tape\x1b[2J"}, r"another library of this CommCell, tape\\x1b"),
    ({"format": 2}, "format is 2"),
    ({"format": "1"}, "damaged"),
    ({"format": True}, "damaged"),
    ({"uuid": None}, "damaged"),
    ({"uuid": ""}, "damaged"),
    ({"commcell": 5}, "damaged"),
]


@pytest.mark.parametrize(("change", "why"), FOREIGN)
def test_a_foreign_marker_is_offline(root: Path, change: dict[str, object], why: str):
    opened(root).initialise(IDENTITY)
    marker = root / "auxtui-library.json"
    record = json.loads(marker.read_text())
    del record["blake3"]  # else it were damaged, whatever it says
    marker.write_text(json.dumps(record | change))
    before = marker.read_text()

    for call in (
        lambda: opened(root, uuid="u-1").probe(),
        lambda: opened(root, uuid="u-1").write_job(PLACE, header(), source_key="s"),
        lambda: opened(root, uuid="u-1").initialise(IDENTITY),
    ):
        with pytest.raises(LibraryOffline, match=why) as offline:
            call()
        assert offline.value.hint
        assert offline.value.message.isprintable()
    assert marker.read_text() == before
    assert os.listdir(root) == ["auxtui-library.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff" * 100, b"[" * 60_000, b"x" * 10_000_000],
    ids=lambda content: f"{content[:3]!r}-{len(content)}",
)
def test_a_damaged_marker_is_offline(root: Path, content: bytes):
    (root / "auxtui-library.json").write_bytes(content)

    with pytest.raises(LibraryOffline, match="damaged"):
        opened(root).probe()


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)]
)
def test_a_marker_that_is_no_file_is_offline(root: Path, make: Callable[[Path], None]):
    make(root / "auxtui-library.json")

    with pytest.raises(LibraryOffline, match="cannot be read"):
        opened(root).probe()


def test_leftovers_of_a_killed_initialisation_go(root: Path):
    (root / ".auxtui-library.json.0123456789abcdef.new").write_text("{")

    opened(root).initialise(IDENTITY)

    assert os.listdir(root) == ["auxtui-library.json"]


@pytest.mark.parametrize("number", range(1, 12))
def test_a_marker_is_there_whole_or_not_at_all(root: Path, number: int):
    with watched(failing(number, errno.EIO)):
        try:
            opened(root).initialise(IDENTITY)
        except StorageError as err:
            assert err.message  # noqa: PT017

    assert opened(root).initialise(IDENTITY) == IDENTITY
    assert os.listdir(root) == ["auxtui-library.json"]


def test_the_probe_tells_the_space(library: LocalLibrary, root: Path):
    found = os.statvfs(root)

    probe = library.probe()

    assert probe.total_bytes == (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize
    assert 0 < (probe.free_bytes or 0) <= probe.total_bytes


@needs_root
def test_an_account_without_privileges_copies_and_restarts(tmp_path: Path):
    """Directories without write permission and files without any, as a plain user."""
    root = tmp_path / "library"
    root.mkdir()
    for path in (root, tmp_path, *list(tmp_path.parents)[:-2]):
        path.chmod(0o755)
    os.chown(root, 65534, 65534)
    script = """
import encodings.ascii, errno, os, sys
import pytest
from engine.library.local import LocalLibrary
from engine.model.errors import StorageError
from tests.library.broken_calls import watched
from tests.library.samples import *
os.setgroups([]); os.setgid(65534); os.setuid(65534)
library = LocalLibrary("vault", sys.argv[1].encode(), uuid="", commcell_id=COMMCELL)
library.initialise(IDENTITY)
job = Job()
job.directory(b"closed", 0o555)
job.directory(b"closed/none", 0)
job.file(b"closed/none/file", b"content", mode=0)
job.file(b"closed/same", b"content", mode=0o400)
job.hardlink(b"closed/z", b"closed/none/file")
def act(number, name):
    if name == "renameat2" or (name == "rename" and act.on):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
act.on = False
writer = library.write_job(PLACE, header(), source_key="source")
write_chunks(writer, job)
act.on = True
with watched(act), pytest.raises(StorageError):
    writer.publish(header(), job.entries)
writer.close()
copy_job(library, job)
library.remove_job(PLACE, 7)
copy_job(library, job)
data = os.path.join(sys.argv[1], "databases/offsite/7/data/closed")
assert os.stat(data).st_mode & 0o7777 == 0o555
assert os.stat(data + "/none").st_mode & 0o7777 == 0o500
assert os.stat(data + "/none/file").st_mode & 0o7777 == 0o400
check_copy(library, job)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)], check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(copy_path(root))) == [".partial", ".removed", "7"]


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_library_is_opened_by_its_url(root: Path, form: str):
    library = open_library("vault", form.format(root), None, COMMCELL)

    assert library.initialise(IDENTITY) == IDENTITY
    assert library.name == "vault"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host/x", "ftp:// is not possible"),
        ("gs://bucket", "gs:// is not possible"),
        ("file://host/x", "file:// is not possible"),
        ("relative/path", "not an absolute path"),
        ("", "not an absolute path"),
        ("/a\0b", "not an absolute path"),
    ],
)
def test_other_urls_are_refused_with_what_is_possible(url: str, why: str):
    with pytest.raises(UsageError, match=why) as refused:
        open_library("vault", url, "", COMMCELL)

    assert "/mnt/vault" in refused.value.hint


def test_small_files_are_read_back_from_a_copy_of_a_copy(library: LocalLibrary):
    """Ids and places are independent: one library may hold two copies."""
    job = sample_job()
    copy_job(library, job)
    other = Place("databases", "second")
    writer = library.write_job(other, header(), source_key="source")
    reader = library.read_job(PLACE, 7)
    for entry in job.files:
        assert read_all(reader, entry) == job.content[entry.path]
    write_chunks(writer, job)

    writer.publish(header(), reader.entries())

    reader.close()
    assert library.published(other) == [7]
    assert library.manifest_digest(other, 7) == library.manifest_digest(PLACE, 7)
