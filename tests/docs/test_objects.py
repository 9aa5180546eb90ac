"""The recipe for a job copy in an object store, run as it stands against a server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from engine.library.objects import connection
from tests.cell import Cell, content, tree
from tests.docs.recipes import DOCS, recipes, run_recipe
from tests.stores import ACCESS_KEY, SECRET_KEY, StoreServer

TOOLS = ("rclone", "zstd", "jq", "b3sum")
RECIPES = recipes(DOCS / "format.md")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
CLOUD = """
[libraries.cloud]
url = "{url}"

[policies.databases.copies.cloud]
kind = "synchronous"
library = "cloud"
{keys}
"""


def files_of(found: dict[str, object]) -> dict[str, object]:
    """Digests of files and targets of links."""
    return {name: of[-1] for name, of in found.items() if isinstance(of, tuple) and len(of) != 3}


def rounded(found: dict[str, object]) -> dict[str, object]:
    """With times as old versions of jq keep them: they count in floating point."""
    return {
        name: tuple(round(one, -6) if isinstance(one, int) and one > 1 << 53 else one for one in of)
        for name, of in found.items()
        if isinstance(of, tuple)
    }


pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


@pytest.mark.parametrize("keys", ["", 'compression = "zstd"'], ids=["plain", "zstd"])
def test_a_job_copy_is_fetched_with_standard_tools(
    cell: Cell, moto: StoreServer, tmp_path: Path, keys: str
) -> None:
    cell.dump("job1/base.tar", 17 << 20)
    cell.dump("job1/deep/er/empty", 0)
    (cell.landing / "job1/nothing").mkdir()
    names = (
        b"new\nline\n",
        b"[red]\x1b[2J",
        b"caf\xe9",
        "naïve".encode(),
        b"-n",
        b"100% %41 \\x41",
    )
    for name in (*names, b"\xff" * 255, b" "):
        path = cell.landing / "job1" / os.fsdecode(name)
        path.write_bytes(content(path.name, 1000))
    (cell.landing / "job1/link").symlink_to("base.tar")
    (cell.landing / "job1/second-name").hardlink_to(cell.landing / "job1/base.tar")
    (cell.landing / "job1/deep").chmod(0o550)
    bucket = moto.bucket()
    cell.apply(CLOUD.format(url=moto.url(bucket), keys=keys))
    cell.scan()
    assert cell.run().state == "completed"
    (job_id,) = (line.backup_job_id for line in cell.ledger("cloud").values())
    connection.close_connections()

    store = {
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENDPOINT": moto.endpoint,
        "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": ACCESS_KEY,
        "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": SECRET_KEY,
        "RCLONE_CONFIG": os.devnull,
    }
    job = tmp_path / "job"
    run_recipe(
        RECIPES["fetch"],
        JOB=job,
        REMOTE=f"store:{bucket}/copies/databases/cloud/{job_id}",
        **store,
    )

    if keys:  # what was fetched is as on a disk: the recipe for encoded copies does the rest
        target = tmp_path / "plain"
        run_recipe(RECIPES["restore-encoded"], JOB=job, TARGET=target, IDENTITY="")
        found, wanted = tree(target / "job1"), tree(cell.landing / "job1")
        assert found.keys() == wanted.keys()
        assert files_of(found) == files_of(wanted)
    else:
        assert rounded(tree(job / "data/job1")) == rounded(tree(cell.landing / "job1"))
        assert (job / "data/job1/second-name").samefile(job / "data/job1/base.tar")
    for recipe in ("manifest", "verify", "count"):
        assert run_recipe(RECIPES[recipe], JOB=job) == ""
