"""What a library in a directory keeps of owners, rights, times, attributes and holes."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.library import layout
from engine.library.local import LocalLibrary
from engine.library.manifest import entry_order
from engine.library.metadata import Born
from engine.model.entries import Entry, FileEntry, SymlinkEntry
from engine.model.errors import (
    ManifestError,
)
from tests.library.local import copy_path, needs_root, opened, partial_data
from tests.library.samples import (
    IDENTITY,
    MTIME_NS,
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    meta,
    sample_job,
    write_chunks,
)


def test_attributes_of_everything(library: LocalLibrary, root: Path):
    job = sample_job()
    copy_job(library, job)

    data = copy_path(root) / "7" / "data"
    for entry in job.entries:
        found = (data / os.fsdecode(entry.path)).lstat()
        if isinstance(entry, FileEntry) or not hasattr(entry, "to"):
            assert found.st_mtime_ns == MTIME_NS, entry
        if not isinstance(entry, SymlinkEntry) and not hasattr(entry, "to"):
            assert stat.S_IMODE(found.st_mode) == entry.meta.mode
    assert os.readlink(data / "tree/sub/up") == "../../../../etc/passwd"
    assert (data / "tree/same").stat().st_ino == (data / "tree/big").stat().st_ino


def test_rights_are_kept_whatever_the_umask_is(library: LocalLibrary, root: Path):
    job = Job()
    modes = {b"m%03o" % mode: mode for mode in (0o400, 0o600, 0o644, 0o666, 0o777)}
    for name, mode in modes.items():
        job.file(name, b"content", mode=mode)
    writer = library.write_job(PLACE, header(), source_key="source")
    before = os.umask(0o077)
    try:
        writer.write_batch([(entry, memoryview(b"content")) for entry in job.files])
    finally:
        os.umask(before)
        writer.close()

    data = partial_data(root)
    kept = {os.fsencode(p.name): stat.S_IMODE(p.stat().st_mode) for p in data.iterdir()}
    assert kept == modes


def test_what_new_files_are_like_is_asked_for_each_directory(tmp_path: Path):
    """A descriptor that is closed leaves its number to the next directory; this must not mix them."""
    born = Born()
    seen = []
    for name, mode in (("a", 0o600), ("b", 0o640)):
        fd = os.open(tmp_path / name, os.O_CREAT | os.O_RDWR, mode)
        seen.append(stat.S_IMODE(born.look(fd, os.fsencode(name), 0o666).st_mode))
        os.close(fd)

    assert seen == [0o600, 0o640]


def test_directories_of_ours_are_private(library: LocalLibrary, root: Path):
    copy_job(library, sample_job())

    copy = copy_path(root)
    for directory in (copy.parent, copy, copy / "7", copy / "7" / "data", copy / ".partial"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((copy / "7" / "manifest.jsonl.zst").stat().st_mode) == 0o600
    assert sorted(os.listdir(copy)) == [".partial", "7"]
    assert sorted(os.listdir(copy / "7")) == ["data", "manifest.jsonl.zst"]


def test_a_sparse_file_takes_no_space_for_zeros(library: LocalLibrary, root: Path):
    job = Job()
    content = b"x" * 4096 + bytes(8 * 1024**2) + b"y"
    job.file(b"sparse", content, sparse=True)
    job.file(b"full", content)

    copy_job(library, job)

    data = copy_path(root) / "7" / "data"
    assert (data / "sparse").stat().st_blocks * 512 < 512 * 1024
    assert (data / "full").stat().st_blocks * 512 >= len(content)
    check_copy(library, job)


@needs_root
def test_owners_and_extended_attributes(tmp_path: Path):
    library = opened(tmp_path)
    library.initialise(IDENTITY)
    job = Job()
    entry = job.file(b"a", b"content", mode=0o4755)
    owned = meta(0o4755, uid=12345, gid=54321, xattrs=((b"user.note", b"\0\xff"),))
    job.entries = [
        replace(entry, meta=owned),
        SymlinkEntry(path=layout.DATA, target=b"x", meta=owned),  # type: ignore[arg-type]
    ]

    copy_job(library, job)

    path = copy_path(tmp_path) / "7" / "data" / "a"
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)
    assert stat.S_IMODE(path.stat().st_mode) == 0o4755
    assert (path.parent / "data").lstat().st_uid == 12345
    assert os.getxattr(path, "user.note") == b"\0\xff"


def test_what_the_file_system_cannot_keep_is_a_warning(library: LocalLibrary, root: Path):
    job = Job()
    entry = job.file(b"a\x1b", b"content")
    xattrs = ((b"nosuchnamespace.x", b"1"),)
    job.entries = [replace(entry, meta=meta(xattrs=xattrs))]
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)

    writer.publish(header(), job.entries)

    assert len(writer.warnings) == 1
    assert writer.warnings[0].startswith(r"a\x1b: its extended attribute nosuchnamespace.x")
    check_copy(library, job)  # the manifest has it all the same


def test_entries_are_published_as_they_come_and_none_is_kept(library: LocalLibrary, root: Path):
    job = sample_job()
    ordered = sorted(job.entries, key=entry_order)
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    data = partial_data(root)
    seen: list[bool] = []

    def streamed() -> Iterator[Entry]:
        for entry in ordered:
            yield entry
            # Of what came before the one after it, nothing waits for the rest.
            seen.append(os.path.lexists(data / os.fsdecode(entry.path)))

    writer.publish(header(), streamed())

    assert seen == [True] * len(ordered)
    check_copy(library, job)


def test_a_stream_that_is_out_of_order_is_not_published(library: LocalLibrary, root: Path):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    ordered = sorted(job.entries, key=entry_order)

    with pytest.raises(ManifestError, match="twice or out of order"):
        writer.publish(header(), iter([*ordered[:2], ordered[0], *ordered[2:]]))

    assert library.published(PLACE) == []
    assert sorted(os.listdir(partial_data(root).parent)) == ["data", "journal"]
    writer.publish(header(), iter(ordered))
    check_copy(library, job)


def test_nobody_gets_the_rights_of_another(library: LocalLibrary, root: Path):
    job = Job()
    entry = job.file(b"a", b"content")
    job.entries = [replace(entry, meta=meta(0o4755, uid=os.geteuid() + 4242))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 4242)  # as if not root: the owner stays who copies
        copy_job(library, job)

    found = (copy_path(root) / "7" / "data" / "a").stat()
    assert stat.S_IMODE(found.st_mode) == 0o755
