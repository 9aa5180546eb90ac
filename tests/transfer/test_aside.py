"""A file aside gets exactly the mode and attributes that it must have, whatever it was made with."""

from __future__ import annotations

import os
import stat
from contextlib import nullcontext
from pathlib import Path

import pytest

from engine.library import syscalls
from engine.library.metadata import apply_metadata
from engine.model.entries import Metadata
from engine.model.errors import DestinationExists
from engine.model.names import rel_path
from engine.transfer import aside as aside_module
from engine.transfer.aside import Aside


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o444, 0o000, 0o4755, 0o666])
@pytest.mark.parametrize("has_name", [False, True])
def test_the_mode_is_right_at_the_end_and_private_under_a_name_before(
    tmp_path: Path, mode: int, has_name: bool, monkeypatch: pytest.MonkeyPatch
):
    if has_name:  # as on a file system that has no files without a name
        monkeypatch.setattr(aside_module, "_NAMELESS", os.O_RDWR)
    meta = Metadata(
        mode=mode,
        mtime_ns=10**18,
        uid=os.geteuid(),
        gid=os.getegid(),
        xattrs=((b"user.some", b"thing"),),
    )
    warnings: list[str] = []
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        aside = Aside(parent, mode)
        before = list(tmp_path.iterdir())
        assert [stat.S_IMODE(one.stat().st_mode) for one in before] == [0o600] * has_name
        assert not os.fstat(aside.fd).st_mode & 0o7000
        apply_metadata(aside.fd, meta, warn=warnings.append)
        aside.keep(b"whole", parent=parent, overwrite=False, path=rel_path(b"whole"))
    finally:
        os.close(parent)
    found = (tmp_path / "whole").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (mode, 10**18)
    assert [one.name for one in tmp_path.iterdir()] == ["whole"]
    if not warnings:  # a file system without attributes says so
        assert os.getxattr(tmp_path / "whole", b"user.some") == b"thing"


def test_it_is_named_where_this_account_may_not_name_by_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        syscalls, "_AT_EMPTY_PATH", 0
    )  # ENOENT, as for an account without the right
    (tmp_path / "taken").write_bytes(b"theirs")
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        for name in (b"free", b"taken"):
            aside = Aside(parent)
            os.write(aside.fd, b"ours")
            with nullcontext() if name == b"free" else pytest.raises(DestinationExists):
                aside.keep(name, parent=parent, overwrite=False, path=rel_path(name))
    finally:
        os.close(parent)
    found = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    assert found == {"free": b"ours", "taken": b"theirs"}
