"""Applying a site file gives a library its marker, and never one to what may be another."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from engine.catalog import config
from engine.catalog.home import Home
from engine.catalog.opening import Catalog, open_catalog
from engine.model.errors import LibraryOffline, SiteError, UsageError
from engine.model.states import LibraryState
from engine.operations.probing import look_at
from engine.site.applying import apply_site
from engine.site.diffing import ChangeKind
from tests.site.conftest import NOW, Apply, summary
from tests.site.estate import BASE, adopt, libraries

MARKER = "auxtui-library.json"


def test_a_new_library_gets_its_directory_and_its_marker(
    apply: Apply, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sync, synced = os.fsync, []
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), sync(fd))
    )

    apply(BASE)

    vault = tmp_path / "vault"
    assert str(tmp_path) in synced
    assert (vault / MARKER).is_file()
    assert stat.S_IMODE(vault.stat().st_mode) == 0o700
    library = libraries(catalog)["vault"]
    assert library.uuid is not None
    assert library.state == LibraryState.ONLINE
    assert library.free_bytes


def test_the_marker_of_this_commcell_is_adopted(apply: Apply, catalog: Catalog):
    apply(BASE)
    uuid = libraries(catalog)["vault"].uuid
    without = BASE.replace("[libraries.vault]\n", "[libraries.other]\n").replace(
        '"@/vault"', '"@/other"'
    )
    apply(without.replace('library = "vault"', 'library = "other"'))
    assert "vault" not in libraries(catalog)

    apply(BASE)

    assert libraries(catalog)["vault"].uuid == uuid


def test_the_marker_of_another_commcell_leaves_the_library_offline(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    text = BASE.replace("@", str(tmp_path))
    with open_catalog(Home(tmp_path / "stranger"), create=True) as stranger:
        apply_site(stranger, text, "site.toml", dry_run=False, now=NOW)
    before = (tmp_path / "vault" / MARKER).read_bytes()

    changes = apply(BASE)

    assert changes[-1].change is ChangeKind.WARNING
    assert changes[-1].note
    library = libraries(catalog)["vault"]
    assert (library.state, library.uuid) == (LibraryState.OFFLINE, None)
    assert library.state_reason
    assert (tmp_path / "vault" / MARKER).read_bytes() == before


def test_a_clone_of_a_library_is_no_second_one(apply: Apply, catalog: Catalog, tmp_path: Path):
    """The same disk by another way, or one that was cloned: not at `apply`, and in no run after it."""
    apply(BASE)
    shutil.copytree(tmp_path / "vault", tmp_path / "clone")

    changes = apply(BASE.replace("[clients", '[libraries.clone]\nurl = "@/clone"\n\n[clients', 1))

    assert changes[-1].change is ChangeKind.WARNING
    clone = libraries(catalog)["clone"]
    assert (clone.state, clone.uuid) == (LibraryState.OFFLINE, None)
    assert 'is the library "vault" already' in clone.state_reason
    with catalog.read() as session:
        cell = config.commcell(session)
    look_at(libraries(catalog)["vault"], cell.uuid, tmp_path)
    with pytest.raises(LibraryOffline, match='is the library "vault" already') as refused:
        look_at(clone, cell.uuid, tmp_path)
    assert "directory of its own" in refused.value.hint


def test_a_library_that_was_offline_comes_online_at_the_next_apply(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / MARKER).write_text("{}")
    assert apply(BASE)[-1].change is ChangeKind.WARNING
    (tmp_path / "vault" / MARKER).unlink()

    changes = apply(BASE)

    assert summary(changes) == [("library", "vault", "changed")]
    assert changes[0].fields == {"state": ["offline", "online"]}
    assert libraries(catalog)["vault"].state == LibraryState.ONLINE


def test_a_directory_that_cannot_be_made_changes_nothing(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    (tmp_path / "file").write_text("not a directory")
    text = BASE + '[libraries.first]\nurl = "@/first"\n[libraries.bad]\nurl = "@/file/deep"\n'

    with pytest.raises(SiteError, match=r"site.toml:15: libraries.bad.url: cannot make") as caught:
        apply(text)

    assert caught.value.hint
    assert libraries(catalog) == {}
    assert not (tmp_path / "first").exists()
    assert not (tmp_path / "vault").exists()


def test_a_moved_library_with_job_copies_is_never_marked_anew(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    apply(BASE)
    adopt(catalog, copied_to="offsite")

    changes = apply(BASE.replace("@/vault", "@/elsewhere"))

    assert summary(changes) == [("library", "vault", "changed"), ("library", "vault", "warning")]
    assert not (tmp_path / "elsewhere" / MARKER).exists()
    assert libraries(catalog)["vault"].state == LibraryState.OFFLINE

    os.rename(tmp_path / "vault", tmp_path / "moved")
    changes = apply(BASE.replace("@/vault", "@/moved"))

    assert summary(changes) == [("library", "vault", "changed")]
    assert libraries(catalog)["vault"].state == LibraryState.ONLINE


def test_a_moved_empty_library_starts_anew(apply: Apply, catalog: Catalog, tmp_path: Path):
    apply(BASE)

    apply(BASE.replace("@/vault", "@/elsewhere"))

    assert (tmp_path / "elsewhere" / MARKER).is_file()
    assert libraries(catalog)["vault"].state == LibraryState.ONLINE


def test_a_library_of_a_kind_that_cannot_be_opened_is_refused(
    apply: Apply, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    def refuse(name, url):
        raise UsageError(f"library {name}: no s3:// here", hint="a directory")

    monkeypatch.setattr("engine.site.markers.check_url", refuse)

    with pytest.raises(SiteError, match=r"^site.toml:4: libraries.vault.url: .* no s3:// here"):
        apply(BASE)

    assert libraries(catalog) == {}


def test_a_library_that_cannot_be_written_holds_up_nothing_else(
    apply: Apply, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    text = BASE + '[libraries.other]\nurl = "@/other"\n'
    with monkeypatch.context() as patched:
        patched.setattr("engine.library.marker.Marker.write", denied)
        changes = apply(text)

    assert summary(changes)[-2:] == [
        ("library", "vault", "warning"),
        ("library", "other", "warning"),
    ]
    library = libraries(catalog)["vault"]
    assert (library.state, library.uuid) == (LibraryState.OFFLINE, None)
    assert "permission denied" in library.state_reason
    assert "write permission" in (changes[-1].note or "")
    assert summary(apply(text)) == [
        ("library", "vault", "changed"),
        ("library", "other", "changed"),
    ]
    assert libraries(catalog)["vault"].state == LibraryState.ONLINE


def test_a_directory_that_this_account_may_not_make_holds_up_nothing_else(
    apply: Apply, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make = os.mkdir

    def mkdir(path: str, mode: int = 0o777) -> None:
        if path == str(tmp_path / "vault"):
            raise PermissionError(errno.EACCES, "Permission denied")
        make(path, mode)

    monkeypatch.setattr("engine.site.markers.os.mkdir", mkdir)

    changes = apply(BASE + '[libraries.other]\nurl = "@/other"\n')

    assert summary(changes)[-1] == ("library", "vault", "warning")
    assert "make it yourself" in (changes[-1].note or "")
    assert libraries(catalog)["other"].state == LibraryState.ONLINE
    assert libraries(catalog)["vault"].state == LibraryState.OFFLINE
