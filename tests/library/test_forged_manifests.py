"""Manifests that no honest writer made: each is refused, whatever its seal says."""

import pytest
import zstandard
from blake3 import blake3

from engine.library import manifest, manifest_lines
from engine.model.errors import ManifestError
from tests.library.manifests import forged, read, sealed
from tests.library.samples import header

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
