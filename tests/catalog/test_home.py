"""Where the state lives, and who may read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.catalog import home as home_module
from engine.catalog.home import Home, file_system_of, is_remote
from engine.model.errors import CatalogError, UsageError

MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/vda rw
30 22 0:30 / /mnt rw shared:5 - tmpfs none rw
31 30 0:31 / /mnt/a\\040b rw - nfs4 server:/x rw
32 22 0:32 / /home rw - ext4 /dev/vdb rw
33 22 0:33 / /home rw - cifs //server/home rw
a torn line
"""


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_named_home_wins_over_environment(tmp_path):
    environ = {"AUXTUI_HOME": "/elsewhere", "XDG_STATE_HOME": "/state"}

    assert Home.find(str(tmp_path), environ=environ).path == tmp_path
    assert Home.find(None, environ=environ).path == Path("/elsewhere")
    assert Home.find("", environ={"XDG_STATE_HOME": "/state"}).path == Path("/state/auxtui")


def test_relative_state_directory_is_ignored_as_xdg_says():
    found = Home.find(environ={"XDG_STATE_HOME": "state"})

    assert found.path == Path("~/.local/state/auxtui").expanduser()


def test_home_is_absolute_and_knows_tilde(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    assert Home.find("here", environ={}).path == tmp_path / "here"
    assert Home.find("~/x", environ={}).path == Path.home() / "x"


def test_directories_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        made = Home(tmp_path / "a" / "b").make()
    finally:
        os.umask(before)

    assert {mode_of(path) for path in (made.path, made.manifests, made.backups)} == {0o700}
    assert mode_of(tmp_path / "a") == 0o700


def test_open_directory_is_tightened(tmp_path):
    path = tmp_path / "home"
    path.mkdir(mode=0o755)

    Home(path).make()

    assert mode_of(path) == 0o700


def test_making_twice_changes_nothing(tmp_path):
    home = Home(tmp_path / "home").make()
    home.manifest(7).write_bytes(b"x")

    home.make()

    assert home.manifest(7).read_bytes() == b"x"


def test_file_in_the_way_is_told(tmp_path):
    path = tmp_path / "home"
    path.write_text("mine")

    with pytest.raises(CatalogError, match=r"cannot make .*home.*: Not a directory") as caught:
        Home(path).make()

    assert "--home" in caught.value.hint
    assert path.read_text() == "mine"


def test_home_of_another_user_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setattr(home_module.os, "geteuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(UsageError, match="belongs to another user"):
        Home(path).make()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/", "ext4"),
        ("/mnt", "tmpfs"),
        ("/mnt/a b/c", "nfs4"),
        ("/mnt/a bc", "tmpfs"),
        ("/mntx", "ext4"),
        ("/home/u", "cifs"),
    ],
)
def test_file_system_is_that_of_the_innermost_and_last_mount(path, kind):
    assert file_system_of(path, MOUNTS) == kind


def test_unknown_mounts_are_no_reason_to_refuse():
    assert file_system_of("/x", "") == ""
    assert not is_remote("")


@pytest.mark.parametrize(
    ("kind", "remote"),
    [
        ("nfs", True),
        ("cifs", True),
        ("9p", True),
        ("fuse.sshfs", True),
        ("fuse", True),
        ("fuse.fuse-overlayfs", False),
        ("fuseblk", False),
        ("ext4", False),
        ("btrfs", False),
    ],
)
def test_network_file_systems_are_known(kind, remote):
    assert is_remote(kind) is remote


def test_home_on_network_file_system_is_refused(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 0:1 / {tmp_path} rw - nfs server:/x rw\n")
    monkeypatch.setattr(home_module, "_MOUNTS", mounts)

    with pytest.raises(CatalogError, match="nfs is a network file system"):
        Home(tmp_path / "home").make()


def test_missing_proc_is_no_reason_to_refuse(tmp_path, monkeypatch):
    monkeypatch.setattr(home_module, "_MOUNTS", tmp_path / "none")

    Home(tmp_path / "home").make()
