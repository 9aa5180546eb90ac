"""The recipes of docs/format.md for backed-up content, run as they stand with the system's own tools."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.archive.trees import look, make_tree
from tests.control.backups import BackupCell
from tests.docs.recipes import DOCS, recipes, run_recipe

RECIPES = recipes(DOCS / "format.md")
MISSING = [tool for tool in ("zstd", "jq", "tar", "b3sum") if shutil.which(tool) is None]

PACKED = """
[policies.files.copies.packed]
kind = "synchronous"
library = "shelf"
compression = "zstd"
"""

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def test_a_stranger_restores_a_full_and_its_incrementals(tmp_path: Path) -> None:
    cell = BackupCell(tmp_path / "cell")
    make_tree(cell.source)
    os.utime(cell.source / "plain" / "2.txt", ns=(0, 5))  # of times before 1970 tar warns
    cell.configure('volume_size = "2MiB"', extra=PACKED)
    try:
        states, jobs = [], []
        for number in range(3):
            (cell.source / "plain" / f"{number}.txt").unlink()
            (cell.source / "plain" / f"new{number}").write_bytes(b"%d" % number)
            if number == 1:
                shutil.rmtree(cell.source / "odd" / "empty")
                (cell.source / "odd" / "empty").write_bytes(b"a file now")
            jobs.append(cell.on_primary(cell.back_up().id))
            states.append(look(cell.source))
        assert cell.copy_all().state == "completed"
    finally:
        cell.close()
    for job in jobs:
        for recipe in ("manifest", "verify", "count"):
            assert run_recipe(RECIPES[recipe], JOB=job) == ""
    full = tmp_path / "full"
    run_recipe(RECIPES["unpack"], JOB=jobs[0], TARGET=full)
    assert look(cell.restored(full)) == states[0]
    for number in (1, 2):
        target = tmp_path / f"chain{number}"
        some = " ".join(map(str, jobs[: number + 1]))
        run_recipe(RECIPES["chain"], JOBS=some, TARGET=target)
        assert look(cell.restored(target)) == states[number]
    opened = [tmp_path / "opened" / job.name for job in jobs]
    for job, new in zip(jobs, opened, strict=True):
        encoded = cell.root / "shelf" / "files" / "packed" / job.name
        run_recipe(RECIPES["restore-encoded"], JOB=encoded, TARGET=new / "data", IDENTITY="")
    target = tmp_path / "of an encoded copy"
    run_recipe(RECIPES["chain"], JOBS=" ".join(map(str, opened)), TARGET=target)
    assert look(cell.restored(target)) == states[2]
    name = f"{cell.source.relative_to('/')}/plain/big"
    found = run_recipe(RECIPES["holder"], JOB=jobs[2], NAME=name)
    assert found == f"file in backup job {jobs[0].name}\n"
