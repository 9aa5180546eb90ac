"""Things that are planted, swapped or damaged in the directory of a library."""

import os
from pathlib import Path

import pytest

from engine.library.interface import Place
from engine.library.local import LocalLibrary
from engine.model.errors import (
    DestinationExists,
    DestinationWrite,
    LibraryOffline,
    ManifestError,
    NotFoundError,
    SourceCorrupt,
    SourceRead,
    StorageError,
    UnsafeName,
)
from engine.model.names import MAX_DEPTH
from tests.library.local import copy_path, partial_data
from tests.library.samples import (
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    sample_job,
    write_chunks,
)


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
    with pytest.raises(SourceCorrupt, match="8 bytes, its manifest says 7"):
        reader.read_whole(entry, memoryview(bytearray(7)))
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


def test_strangers_are_listed_and_links_and_endless_trees_not_entered(
    root: Path, library: LocalLibrary
):
    copy_job(library, sample_job())
    published = next(copy_path(root).glob("[0-9]*"))
    reader = library.read_job(PLACE, header().backup_job_id)
    assert reader.strangers() == []
    outside = root.parent / "outside"
    (outside / "secret").mkdir(parents=True)
    (published / "data/zlink").symlink_to(outside)
    deep = published / "data/deep"
    for _ in range(MAX_DEPTH + 5):
        deep.mkdir()
        deep = deep / "d"
    (published / b"data/\xff".decode("utf-8", "surrogateescape")).touch()

    found = reader.strangers()
    reader.close()

    assert found[0] == b"data/deep"
    assert found[-2:] == [b"data/zlink", b"data/\xff"]
    assert MAX_DEPTH <= len(found) <= MAX_DEPTH + 3


def test_a_strange_lock_is_in_the_way_of_no_other_backup_job(root: Path, library: LocalLibrary):
    copy_job(library, sample_job())
    library.remove_job(PLACE, 7)
    partials = copy_path(root) / ".partial"
    (partials / "77.lock").mkdir()
    (partials / "78.lock").symlink_to(root / "auxtui-library.json")
    os.mkfifo(partials / "79.lock")
    (partials / "notes.lock").write_text("of somebody else")
    (partials / "80.lock").touch()

    copy_job(library, sample_job())

    check_copy(library, sample_job())
    assert sorted(path.name for path in partials.iterdir()) == [
        "77.lock",
        "78.lock",
        "79.lock",
        "notes.lock",
    ]
    for number in (77, 78):
        with pytest.raises(UnsafeName, match=f"prepare databases/offsite/{number}") as refused:
            library.write_job(PLACE, header(number), source_key="source")
        assert "move it away" in refused.value.hint


def test_a_directory_without_a_manifest_is_no_job_copy_and_called_that(
    root: Path, library: LocalLibrary
):
    copy_job(library, sample_job())
    (copy_path(root) / "7" / "manifest.jsonl.zst").unlink()

    for ask in (library.read_job, library.manifest_digest):
        with pytest.raises(NotFoundError, match="7 in library vault has no manifest") as refused:
            ask(PLACE, 7)
        assert "recopy" in refused.value.hint
    with pytest.raises(NotFoundError, match="there is no databases/offsite/8"):
        library.read_job(PLACE, 8)
