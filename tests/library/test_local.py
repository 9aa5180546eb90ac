"""What a library in a directory does beyond the contract: marker, attributes, planted things."""

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.library import layout, local_publish, local_writer, open_library
from engine.library.interface import Done, Place
from engine.library.local import LocalLibrary
from engine.library.manifest import entry_order
from engine.model.entries import Entry, FileEntry, SymlinkEntry
from engine.model.errors import (
    Cancelled,
    DestinationExists,
    DestinationFull,
    DestinationWrite,
    LibraryOffline,
    ManifestError,
    SourceCorrupt,
    SourceRead,
    StorageError,
    UnsafeName,
    UsageError,
)
from tests.library.broken_calls import failing, watched
from tests.library.samples import (
    COMMCELL,
    IDENTITY,
    MTIME_NS,
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    meta,
    read_all,
    sample_job,
    write_chunks,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT PROVEN HERE: needs root")


@pytest.fixture
def root(fast_path: Path) -> Path:
    root = fast_path / "library"
    root.mkdir()
    return root


@pytest.fixture
def library(root: Path) -> LocalLibrary:
    library = opened(root)
    library.initialise(IDENTITY)
    return library


def opened(root: Path, uuid: str = "", boot: str = "boot-1") -> LocalLibrary:
    return LocalLibrary("vault", bytes(root), uuid=uuid, commcell_id=COMMCELL, boot=lambda: boot)


def copy_path(root: Path) -> Path:
    return root / PLACE.policy / PLACE.copy


def partial_data(root: Path) -> Path:
    return copy_path(root) / ".partial" / "7" / "data"


# --- marker ---------------------------------------------------------------------------------


def test_the_marker_says_whose_library_it_is(root: Path, library: LocalLibrary):
    assert json.loads((root / "auxtui-library.json").read_text()) == {
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
    marker.write_text(json.dumps(json.loads(marker.read_text()) | change))
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

    assert probe.total_bytes == found.f_blocks * found.f_frsize
    assert 0 < (probe.free_bytes or 0) <= probe.total_bytes


# --- attributes -----------------------------------------------------------------------------


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


# --- things that are planted, swapped or damaged ---------------------------------------------


def test_a_link_planted_in_the_library_is_not_followed(root: Path, library: LocalLibrary):
    outside = root.parent / "outside"
    outside.mkdir()
    for planted in (root / PLACE.policy, copy_path(root), copy_path(root) / ".partial"):
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.symlink_to(outside)
        with pytest.raises((UnsafeName, LibraryOffline), match="not a directory") as refused:
            copy_job(library, sample_job())
        assert refused.value.hint
        planted.unlink()
        planted.mkdir()
    assert os.listdir(outside) == []


@pytest.mark.parametrize("name", ["tree", "tree/big", "tree/sub/small", "tree/empty"])
def test_a_link_planted_among_the_files_is_not_followed(
    root: Path, library: LocalLibrary, name: str
):
    victim = root.parent / "victim"
    victim.write_text("precious")
    writer = library.write_job(PLACE, header(), source_key="source")
    planted = partial_data(root) / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.symlink_to(victim)
    job = sample_job()

    def copy() -> None:
        write_chunks(writer, job)
        writer.publish(header(), job.entries)

    with pytest.raises(StorageError):
        copy()

    writer.close()
    assert victim.read_text() == "precious"
    assert library.published(PLACE) == []


def test_a_link_planted_in_front_of_a_batch_is_not_followed(root: Path, library: LocalLibrary):
    victim = root.parent / "victim"
    victim.write_text("precious")
    writer = library.write_job(PLACE, header(), source_key="source")
    (partial_data(root) / "a").symlink_to(victim)
    job = Job()
    entry = job.file(b"a", b"content")

    with pytest.raises(DestinationWrite):
        writer.write_batch([(entry, memoryview(b"content"))])

    writer.close()
    assert victim.read_text() == "precious"


def test_a_hard_link_planted_among_the_files_is_not_written(root: Path, library: LocalLibrary):
    victim = root.parent / "victim"
    victim.write_text("precious")
    job = Job()
    entry = job.file(b"a", b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    os.link(victim, partial_data(root) / "a")

    with pytest.raises(DestinationWrite):
        writer.open_file(entry)

    writer.close()
    assert victim.read_text() == "precious"
    copy_job(library, job)
    check_copy(library, job)


def test_links_that_replace_a_published_file_are_not_followed(root: Path, library: LocalLibrary):
    job = sample_job()
    copy_job(library, job)
    data = copy_path(root) / "7" / "data"
    (data / "tree").chmod(0o700)
    big = data / "tree" / "big"
    big.unlink()
    big.symlink_to("/etc/passwd")
    reader = library.read_job(PLACE, 7)

    with pytest.raises(SourceRead) as refused:
        reader.open_file(job.files[0])

    assert "symbolic link" in refused.value.hint
    reader.close()


def test_a_fifo_instead_of_a_published_file_is_not_waited_for(root: Path, library: LocalLibrary):
    job = Job()
    entry = job.file(b"a", b"content")
    copy_job(library, job)
    path = copy_path(root) / "7" / "data" / "a"
    path.unlink()
    os.mkfifo(path)
    reader = library.read_job(PLACE, 7)

    with pytest.raises(SourceRead, match="not a regular file"):
        reader.open_file(entry)
    path.unlink()
    with pytest.raises(SourceRead, match="no such file"):
        reader.open_file(entry)
    reader.close()


def test_a_published_file_of_another_size_is_corrupt(root: Path, library: LocalLibrary):
    job = Job()
    entry = job.file(b"a", b"content")
    copy_job(library, job)
    with (copy_path(root) / "7" / "data" / "a").open("ab") as stream:
        stream.write(b"!")
    reader = library.read_job(PLACE, 7)

    with pytest.raises(SourceCorrupt, match="8 bytes, its manifest says 7"):
        reader.open_file(entry)
    reader.close()


def test_a_file_that_changes_while_it_is_read_says_so(root: Path, library: LocalLibrary):
    job = Job()
    entry = job.file(b"a", b"content")
    copy_job(library, job)
    reader = library.read_job(PLACE, 7)
    handle = reader.open_file(entry)
    assert handle.unchanged()

    (copy_path(root) / "7" / "data" / "a").write_bytes(b"tnetnoc")

    assert not handle.unchanged()
    handle.close()
    reader.close()


@pytest.mark.parametrize("moved", ["library", "databases", "offsite", ".partial", "7", "data"])
def test_a_directory_that_is_swapped_while_writing_is_noticed(
    root: Path, library: LocalLibrary, moved: str
):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    place = next(p for p in [*partial_data(root).parents, partial_data(root)] if p.name == moved)
    place.rename(place.parent / "elsewhere")
    place.mkdir()

    with pytest.raises(LibraryOffline, match=r"unmounted or replaced|no marker"):
        writer.publish(header(), job.entries)

    writer.close()
    place.rmdir()
    (place.parent / "elsewhere").rename(place)
    assert library.published(PLACE) == []
    copy_job(library, job)
    check_copy(library, job)


def test_a_marker_that_vanishes_while_writing_stops_publication(root: Path, library: LocalLibrary):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    marker = root / "auxtui-library.json"
    text = marker.read_text()
    marker.unlink()

    with pytest.raises(LibraryOffline):
        writer.publish(header(), job.entries)

    writer.close()
    assert not (copy_path(root) / "7").exists()
    marker.write_text(text)
    copy_job(library, job)


def test_something_else_in_its_place_is_never_replaced(root: Path, library: LocalLibrary):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    (copy_path(root) / "7").mkdir()

    with pytest.raises(DestinationExists):
        writer.publish(header(), job.entries)

    writer.close()
    assert os.listdir(copy_path(root) / "7") == []
    assert library.published(PLACE) == []


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".", "..", ".hidden", "a\0", "a\nb", "ä", "x" * 200]
)
def test_names_of_policies_and_copies_are_checked_again(library: LocalLibrary, name: str):
    for place in (Place(name, "copy"), Place("policy", name)):
        with pytest.raises(UnsafeName):
            library.write_job(place, header(), source_key="source")
        with pytest.raises(UnsafeName):
            library.published(place)


@pytest.mark.parametrize("job_id", [0, -1])
def test_ids_are_checked_too(library: LocalLibrary, job_id: int):
    with pytest.raises(UnsafeName):
        library.read_job(PLACE, job_id)


def test_other_names_beside_the_job_copies_are_left_alone(root: Path, library: LocalLibrary):
    copy_job(library, sample_job())
    for name in ("0", "07", "notes.txt", "-8", "9x"):
        (copy_path(root) / name).mkdir()
    (copy_path(root) / "8").write_text("a file")
    (copy_path(root) / "9").mkdir()  # no manifest: not a job copy

    assert library.published(PLACE) == [7]
    library.write_job(PLACE, header(10), source_key="source").discard()
    assert (copy_path(root) / "notes.txt").exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone", "swapped"])
def test_a_damaged_manifest_is_never_half_believed(root: Path, library: LocalLibrary, damage: str):
    copy_job(library, sample_job(), header(7))
    copy_job(library, sample_job(), header(8))
    manifest = copy_path(root) / "7" / "manifest.jsonl.zst"
    data = manifest.read_bytes()
    if damage == "gone":
        manifest.unlink()
    else:
        other = (copy_path(root) / "8" / "manifest.jsonl.zst").read_bytes()
        flipped = data[:50] + bytes([data[50] ^ 1]) + data[51:]
        manifest.write_bytes(
            {"cut": data[:-1], "flip": flipped, "empty": b"", "swapped": other}[damage]
        )

    with pytest.raises(StorageError if damage != "gone" else Exception) as refused:
        library.read_job(PLACE, 7)

    assert "databases/offsite/7" in refused.value.message
    library.read_job(PLACE, 8).close()
    if damage != "gone":
        assert isinstance(refused.value, ManifestError)
        assert refused.value.hint
        library.remove_job(PLACE, 7)
        copy_job(library, sample_job())


@pytest.mark.parametrize("damage", [b"", b"garbage\n", b"\0" * 4096], ids=["empty", "text", "NUL"])
def test_a_damaged_journal_costs_work_and_nothing_else(
    root: Path, library: LocalLibrary, damage: bytes
):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:3])
    writer.close()
    journal = copy_path(root) / ".partial" / "7" / "journal"
    journal.write_bytes(damage)

    writer = library.write_job(PLACE, header(), source_key="source")

    assert writer.resumed == {}
    writer.close()
    copy_job(library, job)
    check_copy(library, job)


def test_damaged_lines_of_a_journal_are_counted(root: Path, library: LocalLibrary):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:3])
    writer.close()
    journal = copy_path(root) / ".partial" / "7" / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b"big", b"bit")]))

    writer = library.write_job(PLACE, header(), source_key="source")

    assert [len(chunks) for chunks in writer.resumed.values()] == [2]
    assert "1 lines of the journal were damaged" in writer.warnings[0]
    writer.close()


# --- going on -------------------------------------------------------------------------------


def started(library: LocalLibrary, job: Job) -> None:
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    writer.close()


def test_in_the_same_boot_nothing_is_read_again(root: Path, library: LocalLibrary):
    job = sample_job()
    started(library, job)

    with watched(lambda *_: None) as calls:
        writer = library.write_job(PLACE, header(), source_key="source")

    assert "pread" not in calls.log
    assert sum(map(len, writer.resumed.values())) == len(job.dones)
    writer.close()


def test_after_a_crash_of_the_host_every_chunk_is_hashed_again(root: Path, library: LocalLibrary):
    job = sample_job()
    started(library, job)
    big = partial_data(root) / "tree" / "big"
    data = bytearray(big.read_bytes())
    data[70_000] ^= 1  # in the second chunk
    big.write_bytes(data)
    after = opened(root, boot="boot-2")

    writer = after.write_job(PLACE, header(), source_key="source")

    lost = {d.chunk for d in job.dones} - {c for each in writer.resumed.values() for c in each}
    assert lost == {job.dones[1].chunk}
    writer.close()
    with watched(lambda *_: None) as calls:  # what was hashed counts in this boot
        after.write_job(PLACE, header(), source_key="source").close()
    assert "pread" not in calls.log
    copy_job(after, job)
    check_copy(after, job)


def test_hashing_again_can_be_stopped(root: Path, library: LocalLibrary):
    job = sample_job()
    started(library, job)
    after = opened(root, boot="boot-2")

    def stop() -> None:
        raise Cancelled("suspended")

    with pytest.raises(Cancelled):
        after.write_job(PLACE, header(), source_key="source", checkpoint=stop)

    writer = after.write_job(PLACE, header(), source_key="source")
    assert sum(map(len, writer.resumed.values())) == len(job.dones)
    writer.close()


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: os.truncate(p, 70_000)])
def test_what_is_not_there_is_not_resumed(
    root: Path, library: LocalLibrary, damage: Callable[[Path], None]
):
    job = sample_job()
    started(library, job)
    damage(partial_data(root) / "tree" / "big")

    copy_job(library, job)

    check_copy(library, job)


def test_another_source_takes_no_room_for_the_old_one(root: Path, library: LocalLibrary):
    started(library, sample_job())

    library.write_job(PLACE, header(), source_key="another").close()

    assert os.listdir(partial_data(root)) == []
    assert sorted(os.listdir(partial_data(root).parent)) == ["data", "journal"]


def test_what_an_earlier_try_left_is_not_published(root: Path, library: LocalLibrary):
    job = sample_job()
    started(library, job)
    (partial_data(root) / "tree" / "litter").write_text("x")
    (partial_data(root) / "tree" / "more").mkdir()
    (partial_data(root) / "tree" / "more" / "litter").write_text("x")
    (partial_data(root) / "outside").symlink_to("/etc")

    copy_job(library, job)

    data = copy_path(root) / "7" / "data"
    assert sorted(os.listdir(data)) == ["tree"]
    assert sorted(os.listdir(data / "tree")) == ["big", "empty", "same", "sub"]


def test_a_file_that_was_changed_before_publication_stops_it(root: Path, library: LocalLibrary):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    os.truncate(partial_data(root) / "tree" / "big", 10)

    with pytest.raises(DestinationWrite, match="it has 10 bytes there"):
        writer.publish(header(), job.entries)

    writer.close()
    assert library.published(PLACE) == []


def test_a_killed_publication_of_something_else_is_not_finished(root: Path, library: LocalLibrary):
    job = sample_job()
    with watched(stop_at("renameat2")), pytest.raises(StorageError):
        copy_job(library, job)
    assert (copy_path(root) / ".partial" / "7" / "manifest.jsonl.zst").exists()
    other = header(completed_at="2027-01-01T00:00:00+00:00")

    writer = library.write_job(PLACE, other, source_key="another")

    assert writer.resumed == {}
    writer.close()
    assert library.published(PLACE) == []


def test_a_killed_publication_is_finished(root: Path, library: LocalLibrary):
    job = sample_job()
    with watched(stop_at("renameat2")), pytest.raises(StorageError):
        copy_job(library, job)
    assert library.published(PLACE) == []

    with pytest.raises(DestinationExists):
        library.write_job(PLACE, header(), source_key="source")

    check_copy(library, job)


def test_a_killed_publication_without_its_data_is_not_finished(root: Path, library: LocalLibrary):
    job = sample_job()
    with watched(stop_at("renameat2")), pytest.raises(StorageError):
        copy_job(library, job)
    (partial_data(root) / "tree").chmod(0o700)
    (partial_data(root) / "tree" / "big").unlink()

    copy_job(library, job)

    check_copy(library, job)


def stop_at(name: str) -> Callable[[int, str], None]:
    def act(_: int, called: str) -> None:
        if called == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return act


def test_two_processes_do_not_write_one_copy(root: Path, library: LocalLibrary):
    writer = library.write_job(PLACE, header(), source_key="source")
    script = (
        "import sys; from engine.library.local import LocalLibrary;"
        "from tests.library.samples import *;"
        "LocalLibrary('v', sys.argv[1].encode(), uuid='', commcell_id=COMMCELL)"
        ".write_job(PLACE, header(), source_key='source')"
    )
    run = [sys.executable, "-c", script, str(root)]

    refused = subprocess.run(run, check=False, capture_output=True, text=True)
    writer.close()
    done = subprocess.run(run, check=False, capture_output=True, text=True)

    assert "another auxtui is writing it" in refused.stderr
    assert done.returncode == 0, done.stderr


def test_locks_of_killed_writers_are_swept(root: Path, library: LocalLibrary):
    copy_job(library, sample_job())
    stale = copy_path(root) / ".partial" / "6.lock"
    stale.touch()

    library.write_job(PLACE, header(8), source_key="source").discard()

    assert os.listdir(copy_path(root) / ".partial") == []


# --- failing syncs and full disks -----------------------------------------------------------


def test_after_a_failed_sync_a_file_is_never_trusted_again(root: Path, library: LocalLibrary):
    job = sample_job()
    entry = job.files[0]
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:2])
    broken, other = writer.open_file(entry), writer.open_file(entry)
    broken.write(job.chunk_bytes(job.dones[2]), job.dones[2].chunk.offset)
    other.write(job.chunk_bytes(job.dones[3]), job.dones[3].chunk.offset)

    with watched(failing(1, errno.EIO)) as calls, pytest.raises(DestinationWrite):
        broken.sync()
    assert calls.log[0] == "fdatasync"
    with watched(lambda *_: None) as calls:
        for use in (
            broken.sync,
            other.sync,
            lambda: other.write(memoryview(b"x"), 0),
            lambda: writer.open_file(entry),
            lambda: writer.record([job.dones[3]]),
            lambda: writer.write_batch([(entry, memoryview(job.content[entry.path]))]),
        ):
            with pytest.raises(DestinationWrite, match="a sync of it failed"):
                use()
        with pytest.raises(ManifestError):
            writer.publish(header(), job.entries)
    assert "syncfs" not in calls.log
    for handle in (broken, other):
        handle.close()
    writer.close()

    again = library.write_job(PLACE, header(), source_key="source")
    assert entry.path not in again.resumed
    again.close()
    copy_job(library, job)
    check_copy(library, job)


def test_other_files_of_a_record_are_kept_when_one_is_suspect(library: LocalLibrary):
    job = sample_job()
    big, small = job.files[0], job.files[2]
    writer = library.write_job(PLACE, header(), source_key="source")
    handle, fine = writer.open_file(big), writer.open_file(small)
    with watched(failing(1, errno.EIO)), pytest.raises(DestinationWrite):
        handle.sync()
    fine.write(memoryview(job.content[small.path]), 0)
    fine.sync()

    with pytest.raises(DestinationWrite):
        writer.record([Done(big.path, big.chunks[0]), Done(small.path, small.chunks[0])])

    for each in (handle, fine):
        each.close()
    writer.close()
    again = library.write_job(PLACE, header(), source_key="source")
    assert set(again.resumed) == {small.path}
    again.close()


def test_several_batches_are_synced_once_before_they_are_journaled(library: LocalLibrary):
    job = Job()
    for number in range(2 * (local_writer._SYNC_EACH_AT_MOST + 1)):
        job.file(b"%d" % number, b"content")
    half = len(job.files) // 2
    writer = library.write_job(PLACE, header(), source_key="source")

    with watched(lambda *_: None) as calls:
        for batch in (job.files[:half], job.files[half:]):
            writer.write_batch([(e, memoryview(b"content")) for e in batch])
        assert calls.log.count("pwrite") == len(job.files)
        assert not {"syncfs", "fdatasync"} & set(calls.log)
        writer.record(job.dones)

    assert calls.log[-3:] == ["syncfs", "pwrite", "fdatasync"]
    assert calls.log.count("fdatasync") == 1
    writer.close()


def test_a_sync_of_batches_that_fails_proves_nothing(library: LocalLibrary):
    job = Job()
    for number in range(local_writer._SYNC_EACH_AT_MOST + 1):
        job.file(b"%d" % number, b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.write_batch([(e, memoryview(b"content")) for e in job.files])

    with watched(failing(1, errno.EIO)) as calls, pytest.raises(DestinationWrite, match="sync"):
        writer.record(job.dones)
    assert calls.log == ["syncfs"]
    with watched(lambda *_: None) as calls, pytest.raises(DestinationWrite, match="earlier step"):
        writer.record(job.dones)
    assert calls.log == []
    writer.close()

    again = library.write_job(PLACE, header(), source_key="source")
    assert not again.resumed
    again.close()
    copy_job(library, job)
    check_copy(library, job)


def test_what_a_batch_has_of_its_metadata_is_not_set_again(root: Path, library: LocalLibrary):
    job = Job()
    for number in range(50):
        job.file(b"%d" % number, b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.write_batch([(e, memoryview(b"content")) for e in job.files])
    writer.record(job.dones)
    (partial_data(root) / "7").chmod(0o600)

    with watched(lambda *_: None) as calls:
        writer.publish(header(), job.entries)

    assert calls.log.count("utime") == 1
    check_copy(library, job)


def test_each_file_of_a_small_batch_is_synced(library: LocalLibrary):
    job = Job()
    job.file(b"a", b"content")
    job.file(b"b", b"content")
    writer = library.write_job(PLACE, header(), source_key="source")

    with watched(lambda *_: None) as calls:
        writer.write_batch([(e, memoryview(b"content")) for e in job.files])
        writer.record(job.dones)

    one = ["open", "pwrite", "fdatasync"]
    assert calls.log == [*one, *one, "fsync", "pwrite", "fdatasync"]
    writer.close()


def test_without_an_honest_syncfs_everything_is_synced_by_itself(
    library: LocalLibrary, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(local_writer, "has_honest_syncfs", lambda: False)
    monkeypatch.setattr(local_publish, "has_honest_syncfs", lambda: False)
    job = sample_job()
    for number in range(50):
        job.file(b"x%d" % number, b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    small = [file for file in job.files if len(file.chunks) == 1]

    with watched(lambda *_: None) as calls:
        writer.write_batch([(e, memoryview(job.content[e.path])) for e in small])
        writer.record([Done(e.path, e.chunks[0]) for e in small])
        write_chunks(writer, job, [d for d in job.dones if d.path == b"tree/big"])
        writer.publish(header(), job.entries)

    assert "syncfs" not in calls.log
    assert calls.log.count("fdatasync") >= len(small)
    assert calls.log.count("fsync") >= len(job.files)
    check_copy(library, job)


def test_what_was_published_before_a_crash_is_synced_again(library: LocalLibrary):
    copy_job(library, sample_job())

    with watched(lambda *_: None) as calls, pytest.raises(DestinationExists):
        library.write_job(PLACE, header(), source_key="source")

    assert calls.log.count("fsync") == 4  # policy, copy and partial directories, and again copy


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DestinationFull),
        (errno.EDQUOT, DestinationFull),
        (errno.EFBIG, DestinationFull),
        (errno.EIO, DestinationWrite),
        (errno.EROFS, DestinationWrite),
        (errno.EACCES, DestinationWrite),
        (errno.ENODEV, LibraryOffline),
        (errno.ESTALE, LibraryOffline),
        (errno.ELOOP, UnsafeName),
    ],
)
def test_errors_of_the_disk_have_their_kind(
    library: LocalLibrary, code: int, kind: type[StorageError]
):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    handle = writer.open_file(job.files[0])

    with watched(failing(1, code)), pytest.raises(kind) as failed:
        handle.write(job.chunk_bytes(job.dones[0]), 0)

    assert "cannot write tree/big" in failed.value.message
    assert type(failed.value) is kind
    handle.close()
    writer.close()


def test_errors_of_a_source_are_of_the_source(library: LocalLibrary):
    job = sample_job()
    copy_job(library, job)
    reader = library.read_job(PLACE, 7)
    handle = reader.open_file(job.files[0])

    for code in (errno.EIO, errno.ENOSPC, errno.ESTALE):
        with watched(failing(1, code)), pytest.raises(SourceRead, match="cannot read tree/big"):
            handle.read_into(memoryview(bytearray(10)), 0)
    handle.close()
    reader.close()


@needs_root
@pytest.mark.parametrize("options", ["size=300k", "size=8m,nr_inodes=16"])
def test_a_full_disk_stops_cleanly_and_goes_on_after_it_grew(fast_path: Path, options: str):
    root = fast_path / "small"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(root)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("NOT PROVEN HERE: no tmpfs can be mounted")
    try:
        library = opened(root)
        library.initialise(IDENTITY)
        job = sample_job()
        for number in range(20):
            job.file(b"x%d" % number, b"content" * 100)

        with pytest.raises(DestinationFull) as full:
            copy_job(library, job)
        assert full.value.hint
        assert library.published(PLACE) == []
        partial = library.partial(PLACE)
        subprocess.run(["mount", "-o", "remount,size=64m,nr_inodes=1000", str(root)], check=True)

        assert partial == [7]
        writer = library.write_job(PLACE, header(), source_key="source")
        assert writer.resumed
        writer.close()
        copy_job(library, job)
        check_copy(library, job)
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


@needs_root
def test_a_disk_that_is_unmounted_lazily_is_noticed(fast_path: Path):
    root = fast_path / "small"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "none", str(root)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("NOT PROVEN HERE: no tmpfs can be mounted")
    library = opened(root)
    try:
        library.initialise(IDENTITY)
        job = sample_job()
        writer = library.write_job(PLACE, header(), source_key="source")
        write_chunks(writer, job)
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)

    with pytest.raises(LibraryOffline):
        writer.publish(header(), job.entries)

    writer.close()
    assert os.listdir(root) == []


# --- other accounts, URLs -------------------------------------------------------------------


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
