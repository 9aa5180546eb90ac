"""A copy in an object store on the running service: a chain through it, and everything that reads it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyrage
import pytest

from engine.catalog import config
from engine.catalog.opening import open_catalog
from engine.control import frontdoor
from engine.library.objects import connection, parts
from engine.model import entries
from tests.cell import Cell, tree
from tests.control.upkeep import age, errors_of, repair, serving, verify
from tests.stores import SECRET_KEY, StoreServer

CLOUD = """
[libraries.cloud]
url = "{url}"
media_agents = ["here"]

[policies.databases.copies.cloud]
kind = "synchronous"
library = "cloud"
source = "offsite"
{keys}
"""
PART_BYTES = 64 * 1024
ODD = os.fsdecode(b"two/\xff\xfe odd\n100%")


@dataclass
class Cloud:
    """A CommCell whose third copy lies in a bucket."""

    cell: Cell
    store: StoreServer
    bucket: str

    def apply(self, keys: str = "") -> None:
        self.cell.apply(CLOUD.format(url=self.store.url(self.bucket), keys=keys))

    def key(self, name: str, *, job_id: int, generation: str = "") -> str:
        return f"copies/databases/cloud/{job_id}/data{generation}/{name}"

    def restore(self, job_id: int, to: str = "back") -> str:
        restored = frontdoor.run_restore(
            self.cell.home,
            job_id,
            to=str(self.cell.root / to),
            copy="cloud",
            path_globs=(),
            overwrite=False,
            by="test",
        )
        return self.cell.wait(restored).state


@pytest.fixture
def cloud(cell: Cell, moto: StoreServer) -> Iterator[Cloud]:
    made = Cloud(cell, moto, moto.bucket())
    cell.dump("one.dump", 2 << 20)
    cell.dump("two/a", 1_200_000)
    cell.dump("two/empty", 0)
    cell.dump("two/deep/er/b", 10)
    cell.dump(ODD, 20)
    (cell.landing / "two/nothing").mkdir()
    (cell.landing / "two/link").symlink_to("../../etc/passwd")
    os.link(cell.landing / "two/a", cell.landing / "two/b")
    (cell.landing / "two/deep").chmod(0o550)
    yield made
    connection.close_connections()


def filled(cloud: Cloud, keys: str = "") -> dict[str, int]:
    cloud.apply(keys)
    with serving(cloud.cell):
        cloud.cell.scan()
        job = cloud.cell.run()
        assert (job.state, job.backup_jobs_done) == ("completed", 4), errors_of(cloud.cell, job.id)
    ledger = cloud.cell.ledger("cloud")
    assert {line.state.value for line in ledger.values()} == {"available"}
    return {os.fsdecode(name): line.backup_job_id for name, line in ledger.items()}


def test_a_chain_ends_in_a_store_and_restores_from_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "MIN_CHUNK_BYTES", 4 * PART_BYTES)
    monkeypatch.setattr(parts, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(parts, "WHOLE_BYTES", PART_BYTES)
    cloud.cell.dump("one.dump", 5 * PART_BYTES)  # two chunks, five parts
    jobs = filled(cloud)
    originals = {name: tree(cloud.cell.landing / name) for name in jobs}
    shutil.rmtree(cloud.cell.root / "vault")
    for name in jobs:
        path = cloud.cell.landing / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    with serving(cloud.cell):
        states = [cloud.restore(job_id) for job_id in jobs.values()]
        verified = verify(cloud.cell, copy="cloud")

    assert states == ["completed", "completed"]
    assert (verified.state, verified.backup_jobs_done) == ("completed", 2)
    for name, original in originals.items():
        assert tree(cloud.cell.root / "back" / name) == original
    assert cloud.store.uploads(cloud.bucket) == []
    found = cloud.store.keys(cloud.bucket, cloud.key("", job_id=jobs["two"]))
    assert [key.rpartition("/data/")[2] for key in found] == [
        "two/%FF%FE odd%0A100%25",
        "two/a",
        "two/deep/er/b",
        "two/empty",
    ]


@pytest.mark.parametrize("damage", ["flip", "short", "missing", "no-manifest"])
def test_what_is_damaged_there_is_found_and_repaired(cloud: Cloud, damage: str) -> None:
    jobs = filled(cloud)
    client, job_id = cloud.store.client, jobs["two"]
    key = cloud.key("two/a", job_id=job_id)
    manifest = f"copies/databases/cloud/{job_id}/manifest.jsonl.zst"
    target = manifest if "manifest" in damage else key
    body = bytearray(client.get_object(Bucket=cloud.bucket, Key=target)["Body"].read())
    body[60] ^= 1
    match damage:
        case "missing" | "no-manifest":
            client.delete_object(Bucket=cloud.bucket, Key=target)
        case "short":
            client.put_object(Bucket=cloud.bucket, Key=target, Body=bytes(body[:-1]))
        case _:
            client.put_object(Bucket=cloud.bucket, Key=target, Body=bytes(body))

    with serving(cloud.cell):
        found = verify(cloud.cell, copy="cloud")
        job = repair(cloud.cell, job_id, copy="cloud")
        again = verify(cloud.cell, "all", copy="cloud")
        state = cloud.restore(job_id)

    assert found.state == "completed_with_errors"
    assert (job.state, again.state, state) == ("completed", "completed", "completed")
    assert tree(cloud.cell.root / "back/two") == tree(cloud.cell.landing / "two")
    line = cloud.cell.ledger("cloud")[b"two"]
    assert (line.state, line.verification) == ("available", "good")
    generations = {
        name.split("/")[4]
        for name in cloud.store.keys(cloud.bucket, f"copies/databases/cloud/{job_id}/")
    }
    assert len(generations) == 2  # one manifest, one tree of data


def test_aging_takes_the_objects_away(cloud: Cloud) -> None:
    jobs = filled(cloud, 'retain = "1d"\nretain_cycles = 0')
    with serving(cloud.cell, datetime.now(UTC) + timedelta(days=3)):
        job = age(cloud.cell, confirm=True)

    assert job.state == "completed"
    assert {line.state.value for line in cloud.cell.ledger("cloud").values()} == {"aged"}
    assert len(jobs) == 2
    assert cloud.store.keys(cloud.bucket) == ["copies/auxtui-library.json"]


def test_the_catalog_is_rebuilt_from_a_bucket(cloud: Cloud) -> None:
    before = filled(cloud)
    shutil.rmtree(cloud.cell.home.path)
    connection.close_connections()
    cloud.apply()

    report = frontdoor.rebuild(cloud.cell.home, ["cloud"])
    with serving(cloud.cell):
        verified = verify(cloud.cell, copy="cloud")

    assert (report["backup_jobs"], report["job_copies"]) == (2, 2)
    after = cloud.cell.ledger("cloud")
    assert {os.fsdecode(name): line.backup_job_id for name, line in after.items()} == before
    assert verified.state == "completed"


def test_a_store_that_is_away_makes_the_job_wait_and_nobody_else(cloud: Cloud) -> None:
    cloud.apply()
    with serving(cloud.cell):
        cloud.cell.scan()
        cloud.store.client.delete_object(Bucket=cloud.bucket, Key="copies/auxtui-library.json")
        job = cloud.cell.run(retries=1)

    assert job.state == "completed_with_errors"
    assert {line.state.value for line in cloud.cell.ledger().values()} == {"available"}
    assert {line.state.value for line in cloud.cell.ledger("cloud").values()} == {"to_be_copied"}
    catalog = open_catalog(cloud.cell.home)
    try:
        with catalog.read() as session:
            (library,) = [one for one in config.libraries(session) if one.name == "cloud"]
    finally:
        catalog.close()
    assert "there is no marker of a library there" in library.state_reason


def test_no_secret_is_written_anywhere(cloud: Cloud) -> None:
    filled(cloud)
    with serving(cloud.cell):
        verify(cloud.cell, copy="cloud")
    written = b"".join(
        path.read_bytes() for path in cloud.cell.home.path.rglob("*") if path.is_file()
    )
    exported = frontdoor.export_site(cloud.cell.home) if hasattr(frontdoor, "export_site") else ""

    assert b"one.dump" in written
    for secret in (SECRET_KEY, "PLANTED", "x-amz", "Signature"):
        assert secret.encode() not in written
        assert secret not in str(exported)


def test_an_encrypted_copy_in_a_store(cloud: Cloud) -> None:
    """Its files grow while they are written: staged, then sent; everything reads them."""
    key = pyrage.x25519.Identity.generate()
    file = cloud.cell.root / "key"
    file.write_text(f"{key}\n")
    file.chmod(0o600)
    filled(cloud, f'compression = "zstd"\nencrypt_to = ["{key.to_public()}"]')
    cell = cloud.cell
    job_id = cell.ledger("cloud")[b"two"].backup_job_id
    before = tree(cell.landing / "two")
    with serving(cell):
        checked = verify(cell, "all", copy="cloud")
        client, target = cloud.store.client, cloud.key("two/a.zst.age", job_id=job_id)
        body = bytearray(client.get_object(Bucket=cloud.bucket, Key=target)["Body"].read())
        body[100_000] ^= 1
        client.put_object(Bucket=cloud.bucket, Key=target, Body=bytes(body))
        found = verify(cell, "all", copy="cloud")
        mended = repair(cell, job_id, copy="cloud")
        restored = frontdoor.run_restore(
            cell.home,
            job_id,
            to=str(cell.root / "back"),
            copy="cloud",
            path_globs=(),
            overwrite=False,
            identity_files=[str(file)],
            by="test",
        )
        back = cell.wait(restored)

    assert (checked.state, found.state) == ("completed", "completed_with_errors")
    assert (mended.state, back.state) == ("completed", "completed")
    assert tree(cell.root / "back" / "two") == before
