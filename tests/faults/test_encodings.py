"""Encoded copies that are killed, suspended or out of room in the middle: what is published opens."""

from __future__ import annotations

import base64
import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blake3
import pyrage
import pytest
import zstandard

from tests.cell import SECOND
from tests.faults.estate import CHUNK_BYTES, Estate
from tests.faults.oracle import (
    CopyOnMedia,
    Line,
    Oracle,
    Tree,
    _below,
    _difference,
    manifests_of,
    published_in,
    tree_of,
)
from tests.faults.services import Nursery
from tests.faults.test_crash import (
    FIRST_BPS,
    THROTTLE_BPS,
    await_moment,
    finish,
    suspend_or_resume,
)
from tests.faults.test_destinations import await_journal, mounted_tmpfs
from tests.faults.test_full_disks import SOON_S, fill

ROUNDS = 12
CRAWL_BPS = CHUNK_BYTES  # nothing ends before the test has looked, however busy the host is
KEY = pyrage.x25519.Identity.generate()
ZSTD = 'compression = "zstd"\n'
BOTH = f'{ZSTD}encrypt_to = ["{KEY.to_public()}"]\n'


class EncodedOracle(Oracle):
    """Decodes what is published, without auxtui's readers, and compares it with the truth."""

    def _torn(self, lines: list[Line]) -> Iterator[str]:
        names = {line.backup_job_id: line.name for line in lines}
        for copy in self.copies:
            for job_id, path in published_in(copy.place).items():
                where = f"TORN {copy.name}/{job_id}"
                [records] = manifests_of([path / "manifest.jsonl.zst"])
                if records is None:
                    yield f"{where}: no manifest"
                    continue
                found: Tree = {}
                data = tree_of(os.fsencode(path / "data"))
                for record in records[1:-1]:
                    yield from (f"{where}: {why}" for why in _wrong_stored(path, record))
                    found[_name(record, "path")] = _original(path, records[0], record, data)
                wanted = {
                    _below(names[job_id], at): of for at, of in self.truth[names[job_id]].items()
                }
                if found != wanted:
                    yield f"{where}: {_difference(found, wanted)}"


def _name(record: dict[str, Any], key: str) -> bytes:
    encoded = record.get(f"{key}_base64")
    return str(record[key]).encode() if encoded is None else base64.b64decode(encoded)


def _stored(record: dict[str, Any]) -> bytes:
    path = _name(record, "path")
    if "stored" not in record:
        return path
    parent, name = path.rpartition(b"/")[0], _name(record["stored"], "name")
    return parent + b"/" + name if parent else name


def _wrong_stored(directory: Path, record: dict[str, Any]) -> Iterator[str]:
    if record["type"] != "file":
        return
    content = Path(
        os.fsdecode(os.fsencode(directory / "data") + b"/" + _stored(record))
    ).read_bytes()
    end = 0
    for offset, length, digest in record["stored"]["chunks"]:
        if blake3.blake3(content[offset : offset + length]).hexdigest() != digest or offset != end:
            yield f"stored chunk {offset} of {_stored(record)!r} is not what the manifest says"
        end = offset + length
    if end != len(content):
        yield f"{_stored(record)!r} has {len(content)} bytes, its chunks end at {end}"


def _original(
    directory: Path, header: dict[str, Any], record: dict[str, Any], data: Tree
) -> tuple[object, ...]:
    there = data.get(_stored(record), ("missing",))
    if there[0] != "file":
        return there
    content = Path(
        os.fsdecode(os.fsencode(directory / "data") + b"/" + _stored(record))
    ).read_bytes()
    if header["encrypt_to"]:
        content = pyrage.decrypt(content, [KEY])
    if header["compression"] == "zstd":
        reader = zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True)
        content = reader.read()
    return (*there[:3], len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def encoded(tmp_path: Path, nursery: Nursery) -> Iterator[Estate]:
    """A CommCell with a compressed copy, and one that is encrypted too."""
    made = Estate(tmp_path / "estate", nursery, site=SECOND + BOTH)
    copies = [
        CopyOnMedia("offsite", made.root / "vault"),
        CopyOnMedia("second", made.root / "shelf"),
    ]
    made.oracle = EncodedOracle(made.cell.home.path, made.cell.landing, copies)
    yield made
    made.end()


def test_kill_rounds_of_encoded_copies(encoded: Estate, seed: int) -> None:
    numbers, hits = random.Random(seed), 0
    encoded.apply(offsite=ZSTD)
    for number in range(ROUNDS):
        service = encoded.start_ready()
        if encoded.is_settled():
            encoded.add_some(numbers)
            encoded.scan()
            rate_bps = THROTTLE_BPS if number else FIRST_BPS
            encoded.file_run(throttle_bps=rate_bps, streams=numbers.choice((1, 2, 4)))
        if number:
            await_moment(encoded, numbers)
        else:  # one kill at least finds what it is meant for
            await_journal(encoded, more_than=0)
        if number and numbers.random() < 0.3:
            suspend_or_resume(encoded, numbers)
        hits += not encoded.is_settled()
        service.kill()
        if not number:
            encoded.release(THROTTLE_BPS)
        assert encoded.oracle.examine(is_finished=False) == [], f"after kill {number}"
        if number % 4 == 3:
            assert finish(encoded, {}) == [], f"finished after kill {number}"
            assert encoded.jobs()[-1]["state"] == "completed"
    assert hits, "the kills missed the job"


@pytest.mark.needs_root
@pytest.mark.parametrize("encoding", [ZSTD, BOTH], ids=["zstd", "zstd and age"])
def test_a_disk_that_is_full_in_the_middle_of_an_encoded_file(
    encoded: Estate, encoding: str
) -> None:
    vault = encoded.root / "vault"
    vault.mkdir(parents=True)
    with mounted_tmpfs(vault, "size=2m"):
        for number in range(5):
            encoded.add(f"{number}.dump", 4 * CHUNK_BYTES)
        encoded.apply(offsite=encoding)
        encoded.start_ready(retry_delays_s=SOON_S)
        encoded.scan()
        job_id = encoded.run(retries=200, throttle_bps=CRAWL_BPS, copies=("offsite",))
        await_journal(encoded, more_than=0)

        filler = fill(vault)
        encoded.throttle(job_id, None)
        encoded.until(lambda: encoded.jobs()[-1]["state"] == "pending")
        assert encoded.oracle.examine(is_finished=False) == []
        filler.unlink()
        encoded.until(encoded.is_settled)

        assert encoded.jobs()[-1]["state"] == "completed"
        encoded.file_run()
        assert encoded.finish() == []
