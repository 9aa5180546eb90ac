"""Killed at random moments while it copies into an object store: the bucket never lies."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest
import zstandard
from blake3 import blake3

from tests.faults.estate import CHUNK_BYTES, Estate
from tests.faults.oracle import ledger_of
from tests.faults.services import Nursery
from tests.faults.test_crash import FIRST_BPS
from tests.proxy import Proxy, Request, proxy_to
from tests.stores import StoreServer

ROUNDS = 8
PART_BYTES = CHUNK_BYTES // 2
THROTTLE_BPS = 3 << 20
CLOUD = """
[libraries.cloud]
url = "{url}"
media_agents = ["here"]

[policies.databases.copies.cloud]
kind = "synchronous"
library = "cloud"
"""
Part = tuple[str, str, str]
"""Key, upload and number of a part; of an object that is put at once the last two are empty."""


@dataclass
class Clouded:
    """An estate with a copy in a bucket, behind a proxy that counts."""

    estate: Estate
    store: StoreServer
    proxy: Proxy
    bucket: str
    proven: set[Part] = field(default_factory=set)
    seen: int = 0
    hits: int = 0

    def apply(self) -> None:
        url = self.store.url(self.bucket, endpoint=self.proxy.endpoint)
        self.estate.site = CLOUD.format(url=url)
        self.estate.apply()

    def objects(self) -> dict[str, bytes]:
        """Everything that lies there."""
        client = self.store.client
        return {
            key: client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            for key in self.store.keys(self.bucket, "copies/databases/")
        }

    def examine(self, *, is_finished: bool) -> list[str]:
        """What is wrong, by other means than auxtui's own readers."""
        objects, found = self.objects(), []
        names = {key for key in objects if key.endswith(".jsonl.zst")}
        lines = [line for line in ledger_of(self.estate.cell.home.path) if line.copy == "cloud"]
        published = {int(key.split("/")[3]): key for key in names}
        for job_id, key in published.items():
            (line,) = [one for one in lines if one.backup_job_id == job_id]
            found += [f"TORN {key}: {why}" for why in self._wrong(objects, key, line.name)]
            if line.state == "available" and line.manifest_digest != blake3(objects[key]).digest():
                found.append(f"TORN {key}: not the manifest of the ledger")
        for line in lines:
            if line.state == "available" and line.backup_job_id not in published:
                found.append(f"LOST {line.backup_job_id}")
            if is_finished and line.state != "available":
                found.append(f"LIE {line.name!r} is {line.state}: {line.reason}")
        if is_finished:
            # A trial of the bucket that the death of the server cut off is none: nobody's data.
            uploads = [key for key in self.store.uploads(self.bucket) if "/.probe/" not in key]
            found += [f"LITTER upload {key}" for key in uploads]
            left = self.estate.cell.home.path.glob("objects/*/databases/cloud/*")
            found += [f"LITTER {path}" for path in left]
        return found

    def _wrong(self, objects: dict[str, bytes], key: str, name: bytes) -> Iterator[str]:
        base = key.rpartition("/")[0] + "/data/"
        reader = zstandard.ZstdDecompressor().stream_reader(objects[key], read_across_frames=True)
        records = [json.loads(line) for line in reader.read().splitlines()]
        wanted = set()
        for record in records[1:-1]:
            if record["type"] != "file":
                continue
            path = str(record["path"])
            wanted.add(base + path)
            body = objects.get(base + path, b"")
            if body != (self.estate.cell.landing / path).read_bytes():
                yield f"{path} is not what its source is"
            for offset, length, digest in record["chunks"]:
                if blake3(body[offset : offset + length]).hexdigest() != digest:
                    yield f"{path} is not what its manifest says at {offset}"
        there = {one for one in objects if one.startswith(base)}
        if there != wanted:
            yield f"holds {sorted(there ^ wanted)} besides or not"
        if not wanted or name not in os.fsencode(min(wanted)):
            yield "is another backup job"

    def sent_again(self) -> list[Part]:
        """Parts that went up since the last look though they were proven before."""
        with self.proxy.lock:
            fresh = self.proxy.requests[self.seen :]
            self.seen = len(self.proxy.requests)
        return [part for one in fresh if one.is_data() and (part := _part_of(one)) in self.proven]

    def proven_now(self) -> set[Part]:
        """What the journals prove."""
        found: set[Part] = set()
        for journal in self.estate.cell.home.path.glob("objects/*/databases/cloud/*/journal"):
            base = f"copies/databases/cloud/{journal.parent.name}/data/"
            found |= set(_parts_in(journal, base))
        return found


def _part_of(request: Request) -> Part:
    key = unquote(request.path.partition("?")[0]).split("/", 2)[2]
    number = re.search(r"partNumber=(\d+)", request.path)
    upload = re.search(r"uploadId=([^&]+)", request.path)
    return key, upload[1] if upload else "", number[1] if number else ""


def _parts_in(journal: Path, base: str) -> Iterator[Part]:
    try:
        lines = journal.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    notes: dict[str, list[Part]] = {}
    for line in lines[1:-1]:
        record = json.loads(line.partition(b" ")[2] or b"{}")
        note = record.get("note", {})
        if "sent" in note:
            key = base + _path_in(note)
            upload = note["upload"]
            notes[_path_in(note)] = [
                (key, upload, str(number) if upload else "") for number, _, _ in note["sent"]
            ]
        elif "chunk" in record:  # the note before it counts only with its chunk
            yield from notes.get(_path_in(record), [])


def _path_in(record: dict[str, str]) -> str:
    return record.get("path") or base64.b64decode(record["path_base64"]).decode()


@pytest.fixture
def clouded(tmp_path: Path, nursery: Nursery, moto: StoreServer) -> Iterator[Clouded]:
    estate = Estate(tmp_path / "estate", nursery, site="")
    with proxy_to(moto.endpoint) as proxy:
        yield Clouded(estate, moto, proxy, moto.bucket())
        estate.end()


def await_moment(clouded: Clouded, numbers: random.Random) -> None:
    """Waits for the moment of the crash: when some more bodies went up, or all has ended."""
    wanted = clouded.proxy.count(Request.is_data) + numbers.randrange(1, 30)
    until = time.monotonic() + 5
    while clouded.proxy.count(Request.is_data) < wanted and time.monotonic() < until:
        if clouded.estate.is_settled():
            return
        time.sleep(numbers.uniform(0, 0.01))


def kill_rounds(clouded: Clouded, numbers: random.Random, rounds: int) -> None:
    estate, stage = clouded.estate, {"part_bytes": PART_BYTES, "retry_delays_s": [0.05] * 20}
    clouded.apply()
    for number in range(rounds):
        service = estate.start(**stage)
        assert service.wait_ready() == "ready", estate.log()
        if estate.is_settled():
            estate.add_some(numbers)
            estate.scan()
            rate_bps = THROTTLE_BPS if number else FIRST_BPS
            estate.file_run(throttle_bps=rate_bps, streams=numbers.choice((1, 2, 4)))
        if number:
            await_moment(clouded, numbers)
        else:  # one kill at least finds what it is meant for
            estate.until(lambda: bool(clouded.proven_now()))
        clouded.hits += not estate.is_settled()
        service.kill()
        if not number:
            estate.release(THROTTLE_BPS)
        assert clouded.sent_again() == [], f"before kill {number}"
        assert clouded.examine(is_finished=False) == [], f"after kill {number}"
        clouded.proven |= clouded.proven_now()
        if number % 4 == 3 or number == rounds - 1:
            estate.start_ready(**stage)
            estate.until(estate.is_settled)
            assert clouded.sent_again() == [], f"after kill {number}"
            assert clouded.examine(is_finished=True) == [], f"finished after kill {number}"
            assert estate.jobs()[-1]["state"] == "completed"
            estate.stop()


def test_kill_rounds(clouded: Clouded, seed: int) -> None:
    kill_rounds(clouded, random.Random(seed), ROUNDS)

    assert clouded.hits, "the kills missed the job"
    assert clouded.proven, "the kills found nothing in the journals"


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(5))
def test_many_kill_rounds(clouded: Clouded, seed: int, part: int) -> None:
    kill_rounds(clouded, random.Random(seed + part), 40)


def test_a_server_that_comes_and_goes(clouded: Clouded, seed: int) -> None:
    """A line that resets, answers 503 and loses answers at random: the copy is whole in the end."""
    numbers = random.Random(seed)
    estate, stage = clouded.estate, {"part_bytes": PART_BYTES, "retry_delays_s": [0.05] * 50}
    clouded.apply()
    for what in ("reset", "503 SlowDown", "lost"):
        clouded.proxy.fault(what, lambda _: numbers.random() < 0.03)
    clouded.proxy.fault("flip", lambda one: one.is_data() and numbers.random() < 0.05)
    estate.start_ready(**stage)
    estate.add_some(numbers)
    estate.scan()
    estate.file_run(streams=4, retries=200)
    estate.until(estate.is_settled)
    estate.stop()
    clouded.proxy.faults.clear()

    assert clouded.examine(is_finished=True) == []
