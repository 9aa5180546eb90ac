"""Whether something is mounted below a directory, as the kernel lists it."""

import os
from pathlib import Path

import pytest

from engine.library import mounts
from engine.library.beneath import sync_name
from engine.library.mounts import has_mounts_below


@pytest.mark.parametrize(
    ("at", "is_below"),
    [
        (b"here", False),  # itself
        (b"here/below", True),
        (b"here/deep/er", True),
        (b"here and there", False),
        (b"", False),
        (b"here/with\\040blank", True),
    ],
)
def test_what_the_kernel_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: bytes, is_below: bool
):
    here = tmp_path / "here"
    here.mkdir()
    listed = tmp_path / "mountinfo"
    where = os.fsencode(tmp_path) + b"/" + at
    listed.write_bytes(b"36 35 98:0 / %b rw,noatime shared:1 - ext4 /dev/x rw\n" % where)
    monkeypatch.setattr(mounts, "_MOUNTS", os.fspath(listed))
    fd = os.open(here, os.O_RDONLY)
    try:
        assert has_mounts_below(fd) == is_below
        listed.unlink()
        assert has_mounts_below(fd)  # it cannot be told
    finally:
        os.close(fd)


def test_a_blank_in_a_name_is_no_other_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here = tmp_path / "with blank"
    here.mkdir()
    listed = tmp_path / "mountinfo"
    listed.write_text(f"36 35 98:0 / {tmp_path}/with\\040blank/below rw - ext4 /dev/x rw\n")
    monkeypatch.setattr(mounts, "_MOUNTS", os.fspath(listed))
    fd = os.open(here, os.O_RDONLY)
    try:
        assert has_mounts_below(fd)
    finally:
        os.close(fd)


def test_the_root_of_this_host_has_some():
    fd = os.open("/", os.O_RDONLY)
    try:
        assert has_mounts_below(fd)
    finally:
        os.close(fd)


def test_the_name_of_a_mount_point_is_not_synced_in_what_it_hides(monkeypatch: pytest.MonkeyPatch):
    """What lies above may be a file system that has no syncs, such as that of an automounter."""
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("it is not ours"))

    sync_name(b"/proc")


def test_a_name_is_synced_where_it_is_and_not_where_a_link_to_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a" / "made").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "link").symlink_to(tmp_path / "a" / "made")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))

    sync_name(os.fsencode(tmp_path / "b" / "link"))

    assert synced == [str(tmp_path / "a")]
