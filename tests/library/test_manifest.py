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

from engine.library import manifest, manifest_lines, records
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


def written(of: ManifestHeader, entries: list[Entry]) -> bytes:
    stream = io.BytesIO()
    write_manifest(stream, of, entries)
    return stream.getvalue()


def read(data: bytes) -> tuple[ManifestHeader, list[Entry]]:
    found, entries = read_manifest(io.BytesIO(data))
    return found, list(entries)


def sealed(lines: list[bytes]) -> bytes:
    """A well-sealed manifest of any lines: what an attacker can make."""
    body = zstandard.ZstdCompressor(level=3).compress(b"".join(lines))
    return body + manifest._SEAL_MAGIC + blake3(body).digest()


def forged(*records_after_header: dict[str, object], first: dict[str, object] | None = None):
    """A manifest with right seal and last line around records of any kind."""
    start = manifest_lines.line_from_header(header())
    if first is not None:
        start = json.dumps({**json.loads(start), **first}).encode() + b"\n"
    lines = [start, *(json.dumps(record).encode() + b"\n" for record in records_after_header)]
    digest = blake3(b"".join(lines)).digest()
    return sealed([*lines, manifest_lines.line_from_end(len(records_after_header), digest)])


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


META_OF_STORED = {"mode": 1, "mtime_ns": 0, "uid": 0, "gid": 0}
STORED = {"name": "a.zst", "size": 0, "chunks": []}
STORED_FILE = {
    "type": "file",
    "path": "a",
    "size": 0,
    "chunks": [],
    "stored": STORED,
    **META_OF_STORED,
}
BAD_STORED: dict[str, list[dict[str, object]]] = {
    "no object": [{**STORED_FILE, "stored": "a.zst"}],
    "a path": [{**STORED_FILE, "stored": {**STORED, "name": "../a.zst"}}],
    "a dot": [{**STORED_FILE, "stored": {**STORED, "name": ".."}}],
    "no name": [{**STORED_FILE, "stored": {"size": 0, "chunks": []}}],
    "an unknown member": [{**STORED_FILE, "stored": {**STORED, "extra": 1}}],
    "chunks that do not cover": [{**STORED_FILE, "stored": {**STORED, "size": 5}, "x": 1}],
    "missing": [{key: value for key, value in STORED_FILE.items() if key != "stored"}],
    "two of one name": [STORED_FILE, {**STORED_FILE, "path": "b"}],
    "the name of a directory": [
        STORED_FILE,
        {"type": "directory", "path": "a.zst", **META_OF_STORED},
    ],
    "a link that leads elsewhere than its original": [
        STORED_FILE,
        {**STORED_FILE, "path": "b", "stored": {**STORED, "name": "b.zst"}},
        {"type": "hardlink", "path": "c", "to": "a", "stored": {"name": "c.zst", "to": "b.zst"}},
    ],
}


@pytest.mark.parametrize("entries", BAD_STORED.values(), ids=BAD_STORED)
def test_bad_members_of_what_is_stored_are_refused(entries: list[dict[str, object]]):
    encoded_header = {"format": 2, "compression": "zstd"}
    assert read(forged(STORED_FILE, first=encoded_header))[1]

    with pytest.raises(ManifestError):
        read(forged(*entries, first=encoded_header))


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


FILE: dict[str, object] = {
    "type": "file",
    "path": "a",
    "size": 3,
    "mode": 420,
    "mtime_ns": 0,
    "uid": 0,
    "gid": 0,
    "chunks": [[0, 3, "ab" * 32]],
}
DIRECTORY: dict[str, object] = {
    key: value for key, value in FILE.items() if key not in ("size", "chunks")
} | {"type": "directory"}
LINK = DIRECTORY | {"type": "symlink", "target": "t"}


def test_the_forged_samples_are_right_as_they_are():
    assert len(read(forged(FILE))[1]) == len(read(forged(DIRECTORY))[1]) == 1
    assert len(read(forged(FILE, {"type": "hardlink", "path": "b", "to": "a"}))[1]) == 2
    assert len(read(forged(LINK))[1]) == 1


BAD_ENTRIES: list[tuple[str, list[dict[str, object]]]] = [
    ("unknown type", [{"type": "device", "path": "a"}]),
    ("no type", [{"path": "a"}]),
    ("type of a wrong type", [{"type": ["file"], "path": "a"}]),
    ("end twice", [{"type": "end", "entries": 0, "blake3": "ab" * 32}]),
    ("header twice", [{"type": "header", "format": 1}]),
    ("unknown member", [FILE | {"extra": 1}]),
    ("absolute path", [FILE | {"path": "/etc/passwd"}]),
    ("parent", [FILE | {"path": "../a"}]),
    ("parent inside", [DIRECTORY, FILE | {"path": "a/../b"}]),
    ("dot", [FILE | {"path": "."}]),
    ("empty path", [FILE | {"path": ""}]),
    ("empty component", [FILE | {"path": "a//b"}]),
    ("NUL", [FILE | {"path": "a\0b"}]),
    ("lone surrogate", [FILE | {"path": "\ud800"}]),
    ("long component", [FILE | {"path": "x" * 256}]),
    ("long path", [FILE | {"path": "/".join(["x" * 200] * 21)}]),
    ("deep path", [FILE | {"path": "/".join("x" * 65)}]),
    ("two paths", [FILE | {"path_base64": "YQ=="}]),
    ("base64 that is none", [{**FILE, "path": None, "path_base64": "!"}]),
    ("number as path", [FILE | {"path": 5}]),
    ("twice", [FILE, FILE]),
    ("file twice by two forms", [FILE, {**FILE, "path": None, "path_base64": "YQ=="}]),
    ("out of order", [FILE | {"path": "b"}, FILE]),
    ("below a file", [FILE, FILE | {"path": "a/b"}]),
    ("below a link", [LINK, FILE | {"path": "a/b"}]),
    ("below nothing", [FILE | {"path": "a/b"}]),
    ("below a directory that is past", [DIRECTORY, LINK | {"path": "b"}, FILE | {"path": "c/a"}]),
    ("hard link to nothing", [{"type": "hardlink", "path": "b", "to": "a"}]),
    ("hard link to itself", [{"type": "hardlink", "path": "b", "to": "b"}]),
    ("hard link out", [FILE, {"type": "hardlink", "path": "b", "to": "../../etc/passwd"}]),
    ("hard link to a link", [LINK, {"type": "hardlink", "path": "b", "to": "a"}]),
    ("hard link to a directory", [DIRECTORY, {"type": "hardlink", "path": "b", "to": "a"}]),
    ("link without target", [LINK | {"target": ""}]),
    ("link with NUL", [LINK | {"target": "a\0"}]),
    ("link with a long target", [LINK | {"target": "x" * 4096}]),
    ("negative size", [FILE | {"size": -1}]),
    ("size too large", [FILE | {"size": 2**63, "chunks": [[0, 2**63, "ab" * 32]]}]),
    ("size with a fraction", [FILE | {"size": 3.0}]),
    ("size of a wrong type", [FILE | {"size": "3"}]),
    ("size that is true", [FILE | {"size": True, "chunks": [[0, 1, "ab" * 32]]}]),
    ("mode too large", [FILE | {"mode": 0o10000}]),
    ("negative owner", [FILE | {"uid": -1}]),
    ("owner too large", [FILE | {"gid": 2**32}]),
    ("time too large", [FILE | {"mtime_ns": 2**63 * 10**9}]),
    ("sparse that is a number", [FILE | {"sparse": 1}]),
    ("chunks missing", [{key: value for key, value in FILE.items() if key != "chunks"}]),
    ("gap", [FILE | {"chunks": [[0, 1, "ab" * 32], [2, 1, "ab" * 32]]}]),
    ("overlap", [FILE | {"chunks": [[0, 2, "ab" * 32], [1, 2, "ab" * 32]]}]),
    ("short", [FILE | {"chunks": [[0, 2, "ab" * 32]]}]),
    ("long", [FILE | {"chunks": [[0, 4, "ab" * 32]]}]),
    ("empty chunk", [FILE | {"chunks": [[0, 0, "ab" * 32], [0, 3, "ab" * 32]]}]),
    ("chunk of an empty file", [FILE | {"size": 0}]),
    ("chunk of two", [FILE | {"chunks": [[0, 3]]}]),
    ("chunk that is an object", [FILE | {"chunks": [{"offset": 0}]}]),
    ("chunks that are an object", [FILE | {"chunks": {}}]),
    ("digest too short", [FILE | {"chunks": [[0, 3, "ab"]]}]),
    ("digest that is not hex", [FILE | {"chunks": [[0, 3, "zz" * 32]]}]),
    ("digest with spaces", [FILE | {"chunks": [[0, 3, "ab " * 21 + "a"]]}]),
    ("xattrs of one", [FILE | {"xattrs": [["YQ=="]]}]),
    ("xattrs that are no base64", [FILE | {"xattrs": [["ä", "YQ=="]]}]),
    ("identity of four", [FILE | {"identity": [1, 2, 3, 4]}]),
]


@pytest.mark.parametrize(("why", "entries"), BAD_ENTRIES, ids=[why for why, _ in BAD_ENTRIES])
def test_bad_entries_are_refused(why: str, entries: list[dict[str, object]]):
    with pytest.raises(ManifestError):
        read(forged(*entries))


BAD_HEADERS: list[dict[str, object]] = [
    {"type": "file"},
    {"format": 2},
    {"format": True},
    {"format": "1"},
    {"backup_job_id": 0},
    {"backup_job_id": "7"},
    {"commcell": None},
    {"client": "\ud800"},
    {"extra": 1},
    {"name": None},
    {"name_base64": "YQ=="},
    {"encrypt_to": "age1"},
    {"encrypt_to": [1]},
    {"encrypt_to": ["age1x"]},
    {"compression": "zstd"},
    {"format": 2, "compression": "lz4"},
    {"cycle": -1},
]


@pytest.mark.parametrize("first", BAD_HEADERS, ids=str)
def test_bad_headers_are_refused(first: dict[str, object]):
    with pytest.raises(ManifestError):
        read(forged(first=first))


BAD_LINES: list[bytes] = [
    b"\n",
    b"null\n",
    b"[]\n",
    b"{\n",
    b'{"type":"file"\n',
    b"[" * 200_000 + b"\n",
    b'{"type":"file","size":' + b"9" * 5000 + b"}\n",
    b'{"type":"directory","type":"directory","path":"a","mode":1,"mtime_ns":0,"uid":0,"gid":0}\n',
    b'{"type":"file","size":NaN}\n',
    b'{"type":"file","size":1e400}\n',
    b'{"type":"file","path":"\xff"}\n',
    b"\x1b]0;title\x07\n",
]


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: repr(line[:30]))
def test_lines_that_are_no_records_are_refused(line: bytes):
    start = manifest_lines.line_from_header(header())
    end = manifest_lines.line_from_end(1, blake3(start + line).digest())

    with pytest.raises(ManifestError) as refused:
        read(sealed([start, line, end]))
    assert refused.value.message.isprintable()


def test_the_last_line_counts():
    start = manifest_lines.line_from_header(header())
    right = manifest_lines.line_from_end(0, blake3(start).digest())
    assert read(sealed([start, right])) == (header(), [])

    for lines in (
        [start],
        [right],
        [],
        [start, manifest_lines.line_from_end(1, blake3(start).digest())],
        [start, manifest_lines.line_from_end(0, blake3(b"").digest())],
        [start, right, right],
        [start, right, b" "],
        [start, right.rstrip(b"\n")],
    ):
        with pytest.raises(ManifestError):
            read(sealed(lines))


def test_what_is_not_zstd_is_refused():
    for body in (b"garbage", b"", b"\x28\xb5\x2f\xfd"):
        with pytest.raises(ManifestError):
            read(body + manifest._SEAL_MAGIC + blake3(body).digest())


def test_a_bomb_is_stopped_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(manifest, "MAX_LINE_BYTES", 1024**2)
    bomb = sealed([manifest_lines.line_from_header(header()), b" " * (64 * 1024**2)])
    assert len(bomb) < 16_384

    with pytest.raises(ManifestError, match="larger than any real one"):
        read(bomb)


def test_a_manifest_of_many_lines_is_stopped_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(manifest, "MAX_LINES_BYTES", 4 * 1024**2)
    many = sealed([manifest_lines.line_from_header(header()), b"{}\n" * (2 * 1024**2)])

    with pytest.raises(ManifestError, match="larger than any real one"):
        read(many)


def test_a_frame_may_not_ask_for_a_huge_window():
    params = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=params).compressobj()
    start = manifest_lines.line_from_header(header())
    end = manifest_lines.line_from_end(0, blake3(start).digest())
    body = compressor.compress(start + end) + compressor.flush()

    with pytest.raises(ManifestError, match="zstd"):
        read(body + manifest._SEAL_MAGIC + blake3(body).digest())


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
