"""A real tree, changed, copied twice, everything else lost: it comes back as of both times, bit for bit.

The short form takes some files of the interpreter's library; `make soak` takes 20,000 and more, and
prints how long each step took.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from engine.control import frontdoor
from tests.archive.trees import look, make_tree
from tests.control.backups import BackupCell
from tests.control.test_content_restore import restore
from tests.control.test_encoded_content import SEALED
from tests.transfer.encodings import Key

T = TypeVar("T")
MANY = 20_000
MAX_FILE_BYTES = 2_000_000  # a real tree has few large files, and the disk of a test is small
SOURCES = (sysconfig.get_path("stdlib"), "/usr/share/doc", sys.prefix, "/usr/share", "/usr/lib")
KEYS = 'volume_size = "16MiB"'


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[BackupCell]:
    made = BackupCell(tmp_path / "cell")
    (made.root / "safe").mkdir()
    yield made
    made.close()


def assemble(target: Path, count: int) -> int:
    """Copies files and links of this system until there are so many; returns how many."""
    made = 0
    for number, source in enumerate(SOURCES):
        for directory, names, files in os.walk(source):
            names.sort()
            place = target / str(number) / os.path.relpath(directory, source)
            place.mkdir(parents=True, exist_ok=True)
            for name in sorted(files):
                path = Path(directory, name)
                is_wanted = path.is_symlink() or path.is_file()
                if not is_wanted or path.lstat().st_size > MAX_FILE_BYTES:
                    continue
                shutil.copy2(path, place / name, follow_symlinks=False)
                made += 1
                if made == count:
                    return made
            shutil.copystat(directory, place)
    return made


def change(source: Path) -> None:
    """What happens to a tree between two backups: every tenth file in some way."""
    files = sorted(path for path in source.rglob("*") if stat.S_ISREG(path.lstat().st_mode))
    for number, path in enumerate(files[::10]):
        if number % 4 == 0:
            path.unlink()
        elif number % 4 == 1:
            path.chmod(0o600)
            path.write_bytes(path.read_bytes() + b"\nchanged")
        elif number % 4 == 2:
            path.rename(path.with_name(path.name + ".renamed"))
        else:
            os.utime(path, ns=(0, 1_234_567_890_123_456_789))
    shutil.rmtree(next(path for path in sorted(source.iterdir()) if path.name == "odd"))
    make_tree(source / "again")


def timed(what: str, call: Callable[[], T]) -> T:
    began_s = time.monotonic()
    result = call()
    sys.stdout.write(f"{what}: {time.monotonic() - began_s:.1f} s\n")
    return result


@pytest.mark.parametrize(
    "count", [300, pytest.param(MANY, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_a_real_tree_comes_back_as_of_both_times_from_both_copies(
    cell: BackupCell, tmp_path: Path, count: int
) -> None:
    key = Key.generate(tmp_path / "key")
    sealed = SEALED.format(root=cell.root, recipient=key.recipient)
    make_tree(cell.source)
    assert timed("assemble", lambda: assemble(cell.source, count)) == count
    cell.configure(KEYS, sealed)
    first = timed("full", lambda: cell.back_up("full"))
    then = look(cell.source)
    change(cell.source)
    second = timed("incremental", lambda: cell.back_up("incremental"))
    now = look(cell.source)
    assert (first.state, second.state) == ("completed", "completed")
    assert timed("auxiliary copy", cell.copy_all).state == "completed"
    moments = [cell.lines(job.id)["primary"].completed_at for job in (first, second)]

    cell.close()
    for lost in (cell.home.path, cell.source, cell.root / "fast"):
        shutil.rmtree(lost)
    (cell.root / "fast").mkdir()
    cell.configure(KEYS, sealed)
    report = timed("rebuild", lambda: frontdoor.rebuild(cell.home, ["vault", "safe"]))
    assert (report["backup_jobs"], report["job_copies"], report["damaged"]) == (2, 4, [])

    keys = [str(key.path)]
    for copy in ("offsite", "sealed"):
        for moment, tree in zip(moments, (then, now), strict=True):
            target = tmp_path / f"{copy}-{moment:%H%M%S%f}"
            ask = partial(restore, cell, target, as_of=moment, copy=copy, identity_files=keys)
            job = timed(f"restore from {copy}", ask)
            assert job.state == "completed", cell.errors(job.id)
            assert look(cell.restored(target)) == tree
            shutil.rmtree(target)
