"""Reading what was adopted from a landing directory: whatever has changed since is noticed."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.library.landing import LandingReader
from engine.model.entries import FileEntry
from engine.model.errors import LibraryOffline, SourceChanged, SourceRead
from tests.library.broken_calls import failing, watched
from tests.library.landing import look, tree
from tests.library.samples import header, read_all


def reader_of(landing: Path, *, has_digests: bool = False) -> LandingReader:
    entries = [entry for seen in look(landing).entries for entry in seen.entries]
    return LandingReader(str(landing), header(), entries, has_digests=has_digests)


def first_file(reader: LandingReader) -> FileEntry:
    return next(entry for entry in reader.entries() if isinstance(entry, FileEntry))


def test_reading_what_was_adopted(landing: Path):
    tree(landing)
    reader = reader_of(landing)

    assert reader.header == header()
    assert not reader.has_digests
    assert len(list(reader.entries())) == len(list(reader.entries())) == 5
    assert read_all(reader, first_file(reader)) == b"content"
    reader.close()


def replaced(path: Path) -> None:
    """Another file with the same size and times."""
    found = path.stat()
    path.unlink()
    path.write_bytes(b"tnetnoc")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def rewritten(path: Path) -> None:
    """The same file with other bytes and its times set back."""
    found = path.stat()
    path.write_bytes(b"tnetnoc")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: os.truncate(path, 3), "3 bytes, 7 were adopted"),
        (lambda path: os.utime(path, ns=(1, 1)), "modified"),
        (replaced, "another file has its name|attributes"),
        (rewritten, "attributes were changed"),
        (lambda path: path.chmod(0o600), "attributes were changed"),
    ],
)
def test_before_the_first_copy_any_change_is_noticed(landing: Path, change, why: str):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing)
    change(path)

    with pytest.raises(SourceChanged, match=why) as changed:
        reader.open_file(first_file(reader))
    with pytest.raises(SourceChanged, match=why):
        reader.read_whole(first_file(reader), memoryview(bytearray(7)))

    assert changed.value.retryable
    assert changed.value.hint
    reader.close()


def test_with_digests_a_change_of_attributes_is_no_change(landing: Path):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing, has_digests=True)

    path.chmod(0o600)
    os.link(path, landing.parent / "kept")
    whole = bytearray(7)
    assert reader.read_whole(first_file(reader), memoryview(whole))
    assert read_all(reader, first_file(reader)) == bytes(whole) == b"content"
    os.truncate(path, 3)
    with pytest.raises(SourceChanged):
        reader.open_file(first_file(reader))
    with pytest.raises(SourceChanged):
        reader.read_whole(first_file(reader), memoryview(whole))
    reader.close()


@pytest.mark.parametrize("change", [rewritten, lambda path: path.chmod(0o600), os.remove])
def test_a_change_during_a_read_in_one_go_is_noticed(
    landing: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
):
    """At its worst instant: all was read, nothing was looked at."""
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing)
    look = os.fstat

    def late(fd: int) -> os.stat_result:
        monkeypatch.undo()
        change(path)
        return look(fd)

    monkeypatch.setattr(os, "fstat", late)
    with pytest.raises(SourceChanged, match="attributes were changed"):
        reader.read_whole(first_file(reader), memoryview(bytearray(7)))
    reader.close()


def test_a_short_read_in_one_go_is_no_content(landing: Path, monkeypatch: pytest.MonkeyPatch):
    """A file system on which the attributes are behind the content."""
    (landing / "a.dump").write_bytes(b"content")
    reader = reader_of(landing)
    read = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda fd, into, at, *_: 0 if at else read(fd, [into[0][:3]], at)
    )

    with pytest.raises(SourceChanged, match="ended at byte 3 of 7"):
        reader.read_whole(first_file(reader), memoryview(bytearray(7)))
    reader.close()


def test_what_nothing_proves_is_not_read_in_one_go(landing: Path):
    """Without an identity and without a digest, only a look before the read and one after it can tell."""
    (landing / "a.dump").write_bytes(b"content")
    found = look(landing).entries[0].entries
    bare = [replace(entry, identity=None) for entry in found if isinstance(entry, FileEntry)]
    reader = LandingReader(str(landing), header(), bare, has_digests=False)
    whole = bytearray(7)

    assert not reader.read_whole(bare[0], memoryview(whole))
    assert whole == bytes(7)
    reader.close()


def test_a_change_while_reading_is_noticed(landing: Path):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing)
    handle = reader.open_file(first_file(reader))
    assert handle.unchanged()

    rewritten(path)

    assert not handle.unchanged()
    handle.close()
    reader.close()


def test_links_and_odd_things_in_its_place_are_not_read(landing: Path):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing)
    entry = first_file(reader)
    path.unlink()

    with pytest.raises(SourceRead, match="no such file"):
        reader.open_file(entry)
    path.symlink_to("/etc/passwd")
    with pytest.raises(SourceRead, match="symbolic link"):
        reader.open_file(entry)
    path.unlink()
    os.mkfifo(path)
    for call in (reader.open_file, lambda e: reader.read_whole(e, memoryview(bytearray(7)))):
        with pytest.raises(SourceRead, match="not a regular file"):
            call(entry)
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceRead):
        reader.open_file(entry)
    reader.close()


def test_an_unreadable_file_is_an_error_of_the_source(landing: Path):
    (landing / "a.dump").write_bytes(b"content")
    reader = reader_of(landing)

    with watched(failing(1, errno.EIO)), pytest.raises(SourceRead, match="input/output error"):
        reader.open_file(first_file(reader))
    handle = reader.open_file(first_file(reader))
    with watched(failing(1, errno.EIO)), pytest.raises(SourceRead, match=r"read a\.dump"):
        handle.read_into(memoryview(bytearray(7)), 0)
    handle.close()
    reader.close()


def test_a_reader_of_a_missing_directory_is_offline(landing: Path):
    with pytest.raises(LibraryOffline):
        LandingReader(str(landing / "none"), header(), [], has_digests=False)


def test_the_landing_directory_may_itself_be_a_link(landing: Path, tmp_path: Path):
    (landing / "a").write_text("x")
    (tmp_path / "alias").symlink_to(landing)

    assert [seen.name for seen in look(tmp_path / "alias").entries] == [b"a"]
    assert stat.S_ISLNK((tmp_path / "alias").lstat().st_mode)
