"""Many small files: written together, one sync of the file system, and then each through its own handle."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from engine.library.sftp import wire
from engine.library.sftp.channel import SftpChannel
from engine.library.sftp.library import SftpLibrary
from engine.library.sftp.link import SftpLink, hang_up
from engine.library.sftp.syncing import FarSync
from engine.library.sftp.together import Slots
from engine.library.sftp.wire import Reply
from engine.model.entries import FileEntry
from engine.model.errors import DestinationWrite
from tests.library.samples import IDENTITY, PLACE, Job, check_copy, header
from tests.remote.plain import running_plain_server
from tests.remote.sshd import Sshd

FILES = 12


def many_small() -> Job:
    job = Job()
    job.directory(b"small")
    for number in range(FILES):
        job.file(b"small/%02d" % number, os.urandom(3000 + number))
    return job


class Seen:
    """What went over a line: the kinds of requests, and scripts between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        request, execute = SftpChannel.request, SftpLink.execute
        writes: list[asyncio.Future[Reply]] = []

        def requested(
            channel: SftpChannel, kind: int, body: bytes, *more: Any, **also: Any
        ) -> object:
            names = {wire.WRITE: "write", wire.CLOSE: "close"}
            if kind == wire.EXTENDED and wire.FSYNC in body:
                self.steps.append("fsync")
            elif kind in names:
                self.steps.append(names[kind])
            future = request(channel, kind, body, *more, **also)
            if kind == wire.WRITE:
                writes.append(future)
            return future

        async def executed(link: SftpLink, script: bytes, *, timeout_s: float) -> bytes:
            is_early = not all(future.done() for future in writes)
            said = await execute(link, script, timeout_s=timeout_s)
            if script.startswith(b"sync "):
                self.steps.append(f"sync: {said.decode().strip()}{', too early' * is_early}")
            return said

        monkeypatch.setattr(SftpChannel, "request", requested)
        monkeypatch.setattr(SftpLink, "execute", executed)

    def of_files(self) -> list[str]:
        """From the first to the last step of a batch: as many writes, and so on."""
        synced = [at for at, step in enumerate(self.steps) if step.startswith("sync")]
        return self.steps[synced[0] - FILES : synced[0] + 2 * FILES + 1] if synced else []


def batch_of(job: Job) -> list[tuple[FileEntry, memoryview]]:
    return [(file, memoryview(job.content[file.path])) for file in job.files]


def copied(library: SftpLibrary, job: Job) -> None:
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.write_batch(batch_of(job))
    writer.record(job.dones)
    writer.publish(header(), job.entries)
    writer.close()
    check_copy(library, job)


def test_many_files_are_written_and_synced_at_once_before_each_is_synced(
    sshd: Sshd, root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("engine.library.sftp.link.NEAR_S", 60.0)  # however busy this host is
    seen = Seen(monkeypatch)
    hang_up()  # a line of this test alone
    library = sshd.library(root)
    library.initialise(IDENTITY)

    copied(library, many_small())

    assert seen.of_files() == [*["write"] * FILES, "sync: synced", *["fsync", "close"] * FILES]


@pytest.mark.parametrize("near_s", [0.0, 60.0], ids=["a long line", "no shell"])
def test_where_it_is_not_worth_it_or_cannot_be_nothing_is_waited_for(
    sshd: Sshd, forced: Sshd, root: Path, monkeypatch: pytest.MonkeyPatch, near_s: float
):
    monkeypatch.setattr("engine.library.sftp.link.NEAR_S", near_s)
    seen = Seen(monkeypatch)
    hang_up()  # a line of this test alone
    library = (forced if near_s else sshd).library(root)
    library.initialise(IDENTITY)

    copied(library, many_small())

    first = seen.steps.index("fsync", seen.steps.index("write"))
    assert "sync: synced" not in seen.steps
    assert seen.steps.count("fsync") >= FILES
    assert seen.steps[first - 1] != "close"


def test_a_server_that_keeps_no_order_is_waited_for_at_each_step(tmp_path: Path, root: Path):
    with running_plain_server(tmp_path / "server") as server:
        library = server.library(root)
        library.initialise(IDENTITY)

        copied(library, many_small())


def test_one_file_that_cannot_be_synced_is_not_recorded(
    sshd: Sshd, root: Path, monkeypatch: pytest.MonkeyPatch
):
    """The sync of all has nothing to say: it is the handle of the file that tells."""
    library = sshd.library(root)
    library.initialise(IDENTITY)
    job = many_small()
    request, bad = SftpChannel.request, 7
    syncs = 0

    def failing(
        channel: SftpChannel, kind: int, body: bytes, *more: Any, **also: Any
    ) -> asyncio.Future[Reply]:
        nonlocal syncs
        future = request(channel, kind, body, *more, **also)
        if kind == wire.EXTENDED and wire.FSYNC in body:
            syncs += 1
            if syncs == bad:
                refused: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
                refused.set_result(Reply(wire.STATUS, memoryview(wire.number(4) + bytes(8))))
                return refused
        return future

    writer = library.write_job(PLACE, header(), source_key="source")
    monkeypatch.setattr(SftpChannel, "request", failing)
    writer.write_batch(batch_of(job))
    with pytest.raises(DestinationWrite):
        writer.record(job.dones)
    monkeypatch.setattr(SftpChannel, "request", request)
    writer.close()

    writer = library.write_job(PLACE, header(), source_key="source")
    assert writer.resumed == {}
    writer.close()


class Script:
    """Runs nothing; each call ends when the test says so."""

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[bytes]] = []

    async def __call__(self, script: bytes) -> bytes:
        self.calls.append(asyncio.get_running_loop().create_future())
        return await self.calls[-1]


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_who_comes_while_a_sync_runs_waits_for_the_next_one_with_all_others():
    async def run() -> None:
        script = Script()
        far_sync = FarSync(script, may_execute=True)
        first = asyncio.create_task(far_sync.sync(b"/there"))
        await settled()
        others = [asyncio.create_task(far_sync.sync(b"/there")) for _ in range(3)]
        await settled()
        assert len(script.calls) == 1

        script.calls[0].set_result(b"synced\n")
        await settled()
        assert first.done()
        assert not any(other.done() for other in others)
        assert len(script.calls) == 2

        script.calls[1].set_result(b"synced\n")
        await asyncio.gather(*others)
        assert len(script.calls) == 2

    asyncio.run(run())


@pytest.mark.parametrize("said", [b"", b"usage: sync", TimeoutError()], ids=str)
def test_a_sync_that_cannot_be_done_is_not_tried_again(said: bytes | TimeoutError):
    async def run() -> int:
        calls = 0

        async def script(_: bytes) -> bytes:
            nonlocal calls
            calls += 1
            if isinstance(said, TimeoutError):
                raise said
            return said

        far_sync = FarSync(script, may_execute=True)
        await far_sync.sync(b"/there")
        await far_sync.sync(b"/there")
        return calls

    assert asyncio.run(run()) == 1


def test_slots_are_given_all_at_once_and_in_order():
    async def run() -> list[str]:
        slots, log = Slots(4), []

        async def user(name: str, count: int) -> None:
            async with slots.held(count):
                log.append(name)
                await asyncio.sleep(0)

        first = slots.held(3)
        await first.__aenter__()
        waiting = [
            asyncio.create_task(user(name, count)) for name, count in [("a", 3), ("b", 1), ("c", 9)]
        ]
        await settled()
        assert log == []  # b would fit, and comes behind a
        waiting[0].cancel()
        await settled()
        assert log == ["b"]
        await first.__aexit__(None, None, None)
        await asyncio.gather(*waiting, return_exceptions=True)
        return log

    assert asyncio.run(run()) == ["b", "c"]


def test_a_cancel_in_the_moment_of_its_turn_gives_the_slots_back():
    async def run() -> None:
        slots = Slots(1)
        first = slots.held(1)
        await first.__aenter__()

        async def user() -> None:
            async with slots.held(1):
                raise AssertionError

        waiting = asyncio.create_task(user())
        await settled()
        await first.__aexit__(None, None, None)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        async with asyncio.timeout(60), slots.held(1):
            pass

    asyncio.run(run())
