"""What a restore shows as done is never more than there is, and all of it at its end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.control import frontdoor
from tests.cell import SECOND, Cell, tree


def test_a_restore_with_fallback_and_one_of_a_part_end_at_all_of_it(
    cell: Cell, tmp_path: Path
) -> None:
    cell.apply(SECOND)
    for name in ("one/a", "one/b", "one/c"):
        cell.dump(name, 300_000)
    os.utime(cell.landing / "one", (1_600_000_000, 1_600_000_000))
    cell.scan()
    assert cell.run().state == "completed"
    before = tree(cell.landing / "one")
    shutil.rmtree(cell.landing / "one")
    [media] = cell.on_media().values()
    (media / "data" / "one" / "b").write_bytes(b"x" * 300_000)

    def restore(target: str, *globs: str):
        number = frontdoor.run_restore(
            cell.home, int(media.name), to=str(tmp_path / target), copy=None,
            path_globs=list(globs), overwrite=False, by="test",
        )  # fmt: skip
        return cell.wait(number)

    whole, part = restore("whole"), restore("part", "one/a")

    assert (whole.state, part.state) == ("completed", "completed")
    assert "after" in whole.description
    assert tree(tmp_path / "whole" / "one") == before
    assert (whole.bytes_done, whole.bytes_total) == (900_000, 900_000)
    assert (part.bytes_done, part.bytes_total) == (300_000, 300_000)
