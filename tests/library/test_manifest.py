"""Manifests: what is written is read, and nothing else is believed."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.library import manifest_lines, records
from engine.library.manifest import (
    entry_order,
    has_digests,
    load_manifest,
    manifest_digest,
    read_manifest,
    save_manifest,
    write_manifest,
)
from engine.model.entries import (
    Chunk,
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    Identity,
    ManifestHeader,
    Metadata,
    PlainFile,
    PlainLink,
    SymlinkEntry,
    original,
)
from engine.model.errors import ManifestError, SourceRead
from engine.model.names import RelPath
from tests.library.manifests import read, written
from tests.library.samples import header, meta, sample_job

names = (
    st.binary(min_size=1, max_size=12)
    .map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
    .filter(lambda name: name not in (b".", b".."))
)
big_ints = st.integers(0, 2**63 - 1)
metas = st.builds(
    Metadata,
    mode=st.integers(0, 0o7777),
    mtime_ns=st.integers(-(2**63) + 1, 2**63 - 1),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    xattrs=st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=9)), max_size=2).map(tuple),
)
digests = st.binary(min_size=32, max_size=32)


@st.composite
def files(draw: st.DrawFn, path: RelPath) -> FileEntry:
    lengths = draw(st.lists(st.integers(1, 2**40), max_size=4))
    at, chunks = 0, []
    for length in lengths:
        chunks.append(Chunk(at, length, draw(digests)))
        at += length
    identity = Identity(
        draw(big_ints), draw(st.integers(0, 2**64 - 1)), draw(big_ints), draw(big_ints), -5
    )
    return FileEntry(
        path=path,
        size=at,
        meta=draw(metas),
        sparse=draw(st.booleans()),
        chunks=tuple(chunks),
        identity=draw(st.sampled_from([None, identity])),
    )


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    entries: dict[bytes, Entry] = {}
    directories = [b""]
    for name in draw(st.lists(names, max_size=8)):
        parent = draw(st.sampled_from(directories))
        path = RelPath(parent + b"/" + name if parent else name)
        if path in entries:
            continue
        kind = draw(st.sampled_from(["file", "directory", "symlink"]))
        if kind == "directory":
            entries[path] = DirectoryEntry(path=path, meta=draw(metas))
            directories.append(path)
        elif kind == "symlink":
            entries[path] = SymlinkEntry(path=path, target=draw(names), meta=draw(metas))
        else:
            entries[path] = draw(files(path))
    ordered = sorted(entries.values(), key=entry_order)
    first = next((e.path for e in ordered if isinstance(e, FileEntry)), None)
    if first is not None:
        last = RelPath(b"\xff" * 20)
        ordered.append(HardlinkEntry(path=last, to=first))
    return ordered


headers = st.builds(
    ManifestHeader,
    backup_job_id=st.integers(1, 2**63 - 1),
    cycle=big_ints,
    name=st.binary(max_size=10),
    **dict.fromkeys(set(records.HEADER_TEXTS) - {"compression"}, st.text(max_size=8)),
)
recipients = st.lists(st.text(max_size=5).filter(str.isprintable), max_size=2).map(tuple)


def encoded(entry: Entry) -> Entry:
    """An entry as it lies on a compressed copy: other names, sizes and chunks."""
    path = RelPath(entry.path + b".zst")
    if isinstance(entry, HardlinkEntry):
        plain = PlainLink(path=entry.path, to=entry.to)
        return HardlinkEntry(path=path, to=RelPath(entry.to + b".zst"), plain=plain)
    if not isinstance(entry, FileEntry):
        return entry
    original = PlainFile(path=entry.path, size=entry.size, sparse=entry.sparse, chunks=entry.chunks)
    stored = (Chunk(0, 13, b"\7" * 32),)
    return replace(entry, path=path, size=13, sparse=False, chunks=stored, plain=original)


@settings(max_examples=150, deadline=None)
@given(of=headers, entries=trees())
def test_round_trip(of: ManifestHeader, entries: list[Entry]):
    assert read(written(of, entries)) == (of, entries)


@settings(max_examples=100, deadline=None)
@given(of=headers, entries=trees(), to=recipients)
def test_round_trip_of_an_encoded_copy(
    of: ManifestHeader, entries: list[Entry], to: tuple[str, ...]
):
    of = replace(of, compression="zstd", encrypt_to=to)
    names = {e.path for e in entries if isinstance(e, DirectoryEntry | SymlinkEntry)}
    stored = [encoded(entry) for entry in entries]
    assume(not names & {e.path for e in stored if isinstance(e, FileEntry | HardlinkEntry)})

    found, again = read(written(of, stored))

    assert (found, again) == (of, stored)
    assert [original(entry) for entry in again] == entries


@settings(max_examples=50, deadline=None)
@given(of=headers, entries=trees())
def test_lines_are_what_a_json_encoder_writes(of: ManifestHeader, entries: list[Entry]):
    stored = [encoded(entry) for entry in entries]
    lines = [manifest_lines.line_from_header(of), manifest_lines.line_from_end(2, b"x" * 32)]
    lines += [manifest_lines.line_from_entry(entry) for entry in (*entries, *stored)]

    for line in lines:
        assert line == json.dumps(json.loads(line), separators=(",", ":")).encode() + b"\n"


def test_an_encoded_manifest_is_not_taken_for_a_plain_one_by_older_versions():
    line = manifest_lines.line_from_header(header(compression="zstd"))

    assert json.loads(line)["format"] == 2
    assert json.loads(manifest_lines.line_from_header(header()))["format"] == 1


def test_the_digest_is_of_the_whole_file():
    stream = io.BytesIO()

    digest = write_manifest(stream, header(), [])

    assert digest == blake3(stream.getvalue()).digest()
    stream.seek(0)
    assert manifest_digest(stream) == digest


def test_standard_tools_read_it(tmp_path: Path):
    data = written(header(), sorted(sample_job().entries, key=entry_order))
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(data).splitlines()

    assert [json.loads(line)["type"] for line in lines] == [
        "header",
        "directory",
        "file",
        "file",
        "hardlink",
        "directory",
        "file",
        "symlink",
        "end",
    ]


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_found(bit: int):
    data = written(header(), sorted(sample_job().entries, key=entry_order))

    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << bit
        with pytest.raises(ManifestError):
            read_manifest(io.BytesIO(bytes(flipped)))


def test_every_truncation_is_found():
    data = written(header(), sorted(sample_job().entries, key=entry_order))

    for length in range(len(data)):
        with pytest.raises(ManifestError):
            read_manifest(io.BytesIO(data[:length]))
    with pytest.raises(ManifestError):
        read_manifest(io.BytesIO(data + b"\0"))
    with pytest.raises(ManifestError):
        read_manifest(io.BytesIO(data + data))


def test_writing_refuses_what_reading_would():
    file = FileEntry(path=RelPath(b"b"), size=3, meta=meta(), chunks=(Chunk(0, 3, b"x" * 32),))

    for entries in (
        [file, file],
        [file, replace(file, path=RelPath(b"a"))],
        [replace(file, path=RelPath(b"a/b"))],
        [HardlinkEntry(path=RelPath(b"c"), to=RelPath(b"b"))],
        [replace(file, chunks=(Chunk(0, 2, b"x" * 32),))],
        [replace(file, chunks=(Chunk(0, 3, b"x"),))],
    ):
        with pytest.raises(ManifestError):
            written(header(), entries)


def test_a_saved_manifest_is_whole_and_private(tmp_path: Path):
    entries = list(reversed(sample_job().entries))
    save_manifest(tmp_path / "7.jsonl.zst", header(), [])

    digest = save_manifest(tmp_path / "7.jsonl.zst", header(), entries)

    assert load_manifest(tmp_path / "7.jsonl.zst") == (header(), sorted(entries, key=entry_order))
    assert os.listdir(tmp_path) == ["7.jsonl.zst"]
    assert (tmp_path / "7.jsonl.zst").stat().st_mode & 0o777 == 0o600
    assert digest == blake3((tmp_path / "7.jsonl.zst").read_bytes()).digest()


def test_saving_what_is_wrong_keeps_what_was_there(tmp_path: Path):
    path = tmp_path / "7.jsonl.zst"
    save_manifest(path, header(), [])
    wrong = [HardlinkEntry(path=RelPath(b"c"), to=RelPath(b"b"))]

    with pytest.raises(ManifestError):
        save_manifest(path, header(), wrong)

    assert load_manifest(path) == (header(), [])
    assert os.listdir(tmp_path) == ["7.jsonl.zst"]


def test_loading_names_the_file_and_the_fault(tmp_path: Path):
    path = tmp_path / "bad\x1b.zst"
    path.write_bytes(b"garbage" * 10)

    with pytest.raises(ManifestError, match=r"bad\\x1b\.zst is damaged: its seal") as damaged:
        load_manifest(path)
    with pytest.raises(SourceRead, match=r"none\.zst"):
        load_manifest(tmp_path / "none.zst")
    assert damaged.value.hint


def test_what_has_digests():
    file = FileEntry(path=RelPath(b"a"), size=3, meta=meta(), chunks=(Chunk(0, 3, b"x" * 32),))

    assert has_digests([file, replace(file, size=0, chunks=())])
    assert not has_digests([file, replace(file, chunks=())])
    assert not has_digests([replace(file, chunks=(Chunk(0, 3, b""),))])
