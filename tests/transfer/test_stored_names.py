"""Names on an encoded copy: none twice, none too long, and every tree of hostile names comes back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model.entries import DirectoryEntry, FileEntry, SymlinkEntry
from engine.model.names import MAX_COMPONENT_BYTES, RelPath, rel_path
from engine.transfer.cancel import CancelToken
from engine.transfer.restoring import restore_job
from engine.transfer.stored_names import StoredNames
from engine.transfer.throttle import Throttle
from tests.transfer.encodings import ZSTD, encoded, order_from, read_back
from tests.transfer.fakes import META
from tests.transfer.running import copy
from tests.transfer.trees import Estate, described

SUFFIXES = (b"", b".zst", b".zst.zst", b".age", b".zst.age", b".encoded")
name = st.one_of(
    st.binary(min_size=1, max_size=6),
    st.sampled_from([b"a", b"b", b"n" * 255, b"n" * 251, b"n" * 252, b"\xff" * 250, b"-rf", b"\n"]),
).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
names = st.builds(lambda raw, suffix: (raw + suffix)[:255], name, st.sampled_from(SUFFIXES)).filter(
    lambda one: one not in (b".", b"..")
)
trees = st.dictionaries(
    names, st.sampled_from(["file", "directory", "symlink", "hardlink", "empty"]), max_size=14
)


def entry_of(path: bytes, kind: str):
    if kind == "directory":
        return DirectoryEntry(path=rel_path(path), meta=META)
    if kind == "symlink":
        return SymlinkEntry(path=rel_path(path), target=b"x", meta=META)
    return FileEntry(path=rel_path(path), size=0, meta=META)


@settings(max_examples=300, deadline=None)
@given(tree=trees, suffix=st.sampled_from([b".zst", b".age", b".zst.age"]))
def test_no_two_names_are_the_same_and_none_is_too_long(tree, suffix):
    entries = [entry_of(path, kind) for path, kind in tree.items()]
    given_names = StoredNames(suffix, entries)
    files = [entry.path for entry in entries if isinstance(entry, FileEntry)]
    others = {entry.path for entry in entries if not isinstance(entry, FileEntry)}

    stored = [given_names.of(path) for path in files]

    assert len(set(stored) | others) == len(files) + len(others)
    assert all(len(path) <= MAX_COMPONENT_BYTES for path in stored)
    assert stored == [StoredNames(suffix, entries).of(path) for path in files]
    for path, at in zip(files, stored, strict=True):
        renamed = path + suffix in others or len(path + suffix) > MAX_COMPONENT_BYTES
        assert at.endswith(b".encoded" if renamed else suffix)


def test_the_longest_paths_keep_their_directory():
    deep = b"/".join([b"d" * 255] * 15)
    path = RelPath(deep + b"/" + b"f" * (4000 - len(deep) - 1))

    stored = StoredNames(b".zst.age", []).of(path)

    assert stored.rpartition(b"/")[0] == deep
    assert len(stored.rpartition(b"/")[2]) <= MAX_COMPONENT_BYTES


def make(root: bytes, tree: dict[bytes, str]) -> None:
    """Lays a tree out."""
    os.mkdir(root)
    first = None
    for path, kind in tree.items():
        full = root + b"/" + path
        if kind == "directory":
            os.mkdir(full)
        elif kind == "symlink":
            os.symlink(b"a.zst", full)
        elif kind == "hardlink" and first is not None:
            os.link(first, full)
        else:
            Path(os.fsdecode(full)).write_bytes(b"" if kind == "empty" else path * 50)
            first = full


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=trees)
async def test_hostile_trees_come_back(tree):
    with tempfile.TemporaryDirectory() as directory:
        estate = Estate(Path(directory))
        make(estate.entry, tree)
        [result] = await copy(
            order_from(estate.order().open_source, encoded(estate.library("a"), ZSTD))
        )
        assert result.outcomes[0].error is None

        reader = read_back(estate, "a")
        back = Path(directory) / "back"
        found = await restore_job(reader, back, cancel=CancelToken(), throttle=Throttle())
        reader.close()

        assert (found.failed, found.refused) == ((), ())
        assert described(os.fsencode(back)) == described(estate.landing)
