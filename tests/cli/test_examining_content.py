"""What the doctor says of content: paths that give a backup nothing, and sources in doubt."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from auxtui.cli.examining import examine
from engine.catalog.values import Finding
from engine.model.states import Severity
from tests.control.backups import BackupCell


@pytest.fixture
def cell(backup_cell: BackupCell) -> BackupCell:
    return backup_cell


def about_content(cell: BackupCell) -> list[Finding]:
    return [one for one in examine(cell.home) if one.what.startswith("subclient web/www: ")]


def test_content_that_is_there_is_no_finding(cell: BackupCell) -> None:
    (cell.source / "file").write_bytes(b"1")
    cell.configure()

    assert about_content(cell) == []


def test_paths_that_give_nothing_are_found(cell: BackupCell) -> None:
    cell.configure()
    (empty,) = about_content(cell)
    (cell.source / "a.tmp").write_bytes(b"1")
    cell.configure('exclude = ["*.tmp"]')
    (excluded,) = about_content(cell)
    cell.source.rename(cell.root / "elsewhere")
    (gone,) = about_content(cell)
    cell.source.symlink_to(cell.root / "elsewhere")
    (link,) = about_content(cell)

    assert "is empty" in empty.what
    assert "`exclude` leaves all of it out" in excluded.what
    assert (gone.severity, "is not there" in gone.what) == (Severity.ERROR, True)
    assert "the link is backed up" in link.what


def test_a_glob_in_content_is_said_to_be_none(cell: BackupCell) -> None:
    site = cell.root / "site.toml"
    cell.configure()
    text = (cell.root / "source*").as_posix()
    site.write_text(
        f'[libraries.fast]\nurl = "{cell.root}/fast"\n[policies.files.copies.primary]\n'
        f'library = "fast"\n[clients.web.subclients.www]\npolicy = "files"\ncontent = ["{text}"]\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "auxtui", "--home", str(cell.home.path), "apply", str(site)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    (finding,) = about_content(cell)

    assert "takes paths, no globs" in finding.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_directory_that_cannot_be_read_is_an_error(cell: BackupCell) -> None:
    (cell.source / "file").write_bytes(b"1")
    cell.configure()
    cell.source.chmod(0)
    try:
        (finding,) = about_content(cell)
    finally:
        cell.source.chmod(0o700)

    assert finding.severity is Severity.ERROR
    assert "permission denied" in finding.what


def test_a_source_that_shrank_is_an_error_with_what_to_do(cell: BackupCell) -> None:
    for number in range(10):
        (cell.source / f"{number}").write_bytes(b"1")
    cell.configure()
    cell.back_up()
    for number in range(1, 10):
        (cell.source / f"{number}").unlink()
    cell.back_up()

    (finding,) = about_content(cell)

    assert (finding.severity, "90 %" in finding.what) == (Severity.ERROR, True)
    assert "auxtui backup web/www --accept" in finding.hint
