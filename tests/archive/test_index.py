"""The index: what is written is read back, children are found, and damage is an error."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.archive.index import ArchiveFrame, IndexEntry, line_of, order_of
from engine.archive.index_file import IndexFile, IndexWriter
from engine.model.errors import ManifestError, UnsafeName
from tests.archive.packs import header

NAMES = st.binary(min_size=1, max_size=6).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)


@st.composite
def entries(draw) -> list[IndexEntry]:
    """Entries in the order of an index, with every directory that has something in it."""
    paths = set(draw(st.lists(PATHS, min_size=1, max_size=25)))
    above = {path.rsplit(b"/", n)[0] for path in paths for n in range(1, path.count(b"/") + 1)}
    found = []
    for path in sorted(paths | above, key=lambda p: (order_of(p.rpartition(b"/")[0]), p)):
        kind = "directory" if path in above else draw(st.sampled_from(["file", "symlink"]))
        is_file = kind == "file"
        found.append(
            IndexEntry(
                path,
                kind,
                mode=draw(st.integers(0, 0o7777)),
                mtime_ns=draw(st.integers(-(10**19), 10**19)),
                size=draw(st.integers(0, 2**50)) if is_file else 0,
                job=draw(st.integers(1, 5)),
                at=draw(st.integers(0, 2**50)) if is_file else 0,
                to=draw(st.binary(min_size=1, max_size=9)) if kind == "symlink" else b"",
                xattrs=tuple(draw(st.lists(st.tuples(NAMES, st.binary(max_size=5)), max_size=2))),
                unsure=draw(st.booleans()),
            )
        )
    return found


def written(some: list[IndexEntry]) -> bytes:
    target = io.BytesIO()
    writer = IndexWriter(target, header(7))
    for entry in some:
        writer.add(entry)
    frames = [ArchiveFrame(0, 10, b"\1" * 32), ArchiveFrame(10, 5, b"\2" * 32)]
    writer.finish(frames, tar_bytes=1, volumes=1, volume_bytes=5, archived=3)
    return target.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(some=entries(), part=st.integers(1, 2000))
def test_what_is_written_is_found_again(some: list[IndexEntry], part: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.archive.index_file.PART_CHARS", part)
        index = IndexFile(io.BytesIO(written(some)))
    assert index.header == header(7)
    assert list(index.entries()) == some
    assert [frame.length for frame in index.frames()] == [10, 5]
    directories = {entry.directory for entry in some} | {b"not there"}
    for directory in directories:
        wanted = [entry for entry in some if entry.directory == directory]
        assert index.children(directory) == wanted
    for entry in some:
        assert index.entry(entry.path) == entry


@settings(deadline=None)
@given(data=st.data())
def test_damage_is_an_error_or_nothing(data: st.DataObject):
    whole = bytearray(written([IndexEntry(b"a", "file", size=5, job=7, at=512)]))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        index = IndexFile(io.BytesIO(bytes(whole)))
        found, frames = list(index.entries()), index.frames()
    except ManifestError:
        return
    assert found == [IndexEntry(b"a", "file", size=5, job=7, at=512)]
    assert len(frames) == 2


@pytest.mark.parametrize("path", [b"../out", b"/etc/passwd", b"a/../b", b"a//b", b"."])
def test_a_path_that_leads_out_is_refused(path: bytes):
    index = IndexFile(io.BytesIO(written([IndexEntry(path, "file", size=1, job=7)])))
    with pytest.raises(UnsafeName):
        list(index.entries())


@pytest.mark.parametrize("length", [0, 7, 40, 200])
def test_a_cut_index_is_refused(length: int):
    with pytest.raises(ManifestError):
        IndexFile(io.BytesIO(written([IndexEntry(b"a", "file")])[:length]))


@pytest.mark.parametrize(
    "damage", ["{0},{0}\n", "[]\n", "7\n", "{0}\n\n", '{0}\n{{"type":\n', "[" * 9999]
)
def test_a_line_that_is_not_one_object_is_refused(damage: str, monkeypatch: pytest.MonkeyPatch):
    line = line_of(IndexEntry(b"a", "file", size=5, job=7)).strip()
    monkeypatch.setattr("engine.archive.index_file.line_of", lambda _: damage.format(line))
    index = IndexFile(io.BytesIO(written([IndexEntry(b"a", "file")])))
    with pytest.raises(ManifestError):
        list(index.entries())


@pytest.mark.parametrize("value", ["-1", "true", '"5"', "5.0", "null"])
@pytest.mark.parametrize("member", ["size", "at", "mode", "job", "mtime_ns", "path"])
def test_a_member_of_another_kind_is_refused(
    member: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    line = json.loads(line_of(IndexEntry(b"a", "file", size=5, job=7)))
    line[member] = json.loads(value)
    if (member, value) in {("mtime_ns", "-1"), ("path", '"5"')}:
        return  # a time before 1970, and a name: both are right
    monkeypatch.setattr("engine.archive.index_file.line_of", lambda _: json.dumps(line) + "\n")
    index = IndexFile(io.BytesIO(written([IndexEntry(b"a", "file")])))
    with pytest.raises(ManifestError):
        list(index.entries())
