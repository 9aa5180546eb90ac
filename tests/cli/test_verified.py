"""What *verified* proves and what not, as the guide says it: what lies beside the bytes is told, and never restored."""

from __future__ import annotations

import os
import shutil
import stat

import pytest

from tests.cli.conftest import Program
from tests.docs.recipes import DOCS, recipes, run_recipe

MISSING = [tool for tool in ("zstd", "jq") if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def test_planted_files_and_altered_modes_pass_verification_and_reach_no_restore(
    auxtui: Program, tmp_path_factory
):
    cell = auxtui.cell
    cell.dump("a.dump")
    (cell.landing / "a.dump").chmod(0o640)
    assert auxtui.configure().code == 0
    assert auxtui.within("scan").code == 0
    assert auxtui.within("auxcopy", "databases", "--wait").code == 0
    ((number, job),) = cell.on_media().items()
    (job / "data/planted").write_bytes(b"by somebody")
    (job / "data/a.dump").chmod(0o666)
    os.setxattr(job / "data/a.dump", "user.note", b"planted")

    verified = auxtui.within("verify", "databases/offsite", "--wait")
    back = tmp_path_factory.mktemp("back") / "here"
    restored = auxtui.within(
        "restore", str(number), "--to", str(back), "--copy", "offsite", "--wait"
    )

    assert (verified.code, restored.code) == (0, 0), verified.err + restored.err
    assert "has an entry that no manifest lists: data/planted" in verified.out
    assert [path.name for path in back.iterdir()] == ["a.dump"]
    assert stat.S_IMODE((back / "a.dump").stat().st_mode) == 0o640
    assert "user.note" not in os.listxattr(back / "a.dump")
    assert run_recipe(recipes(DOCS / "format.md")["count"], JOB=job) == (
        "2 entries in data, 1 in the manifest\n"
    )
