"""The data of a channel, sealed and opened in place of asyncssh, against asyncssh itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.crypto import cipher as ciphers
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.library.sftp import packets
from engine.library.sftp.channel import SftpChannel
from engine.library.sftp.packets import DataPackets
from engine.model.errors import LibraryOffline
from tests.library.samples import IDENTITY, check_copy, copy_job, sample_job
from tests.remote.plain import running_plain_server
from tests.remote.sshd import Sshd

GCM = "aes128-gcm@openssh.com"
CONTENT = os.urandom(700_001)
KEY = asyncssh.generate_private_key("ssh-ed25519")
Options = dict[str, Any]


class Far(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


async def echo(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Gives back what it gets, in pieces of other sizes."""
    while data := await process.stdin.read(40_000):
        process.stdout.write(data)
    process.exit(0)


class Near(asyncssh.SSHClientSession[bytes]):
    """Counts what comes back."""

    def __init__(self, *, is_served: bool = True) -> None:
        self._is_served = is_served
        self.found = bytearray()
        self.packets: DataPackets | None = None
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        if self._is_served:
            self.packets = DataPackets.serve(chan)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.found += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


@asynccontextmanager
async def line(
    there: Options | None = None, here: Options | None = None
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection to a server that echoes, with options of both ends."""
    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[KEY],
        server_factory=Far,
        encoding=None,
        **{"process_factory": echo, **(there or {})},
    )
    options = {"encryption_algs": [GCM], **(here or {})}
    connection = await asyncssh.connect(
        "127.0.0.1", acceptor.get_port(), known_hosts=None, config=None, username="x", **options
    )
    try:
        yield connection
    finally:
        connection.abort()
        await connection.wait_closed()
        acceptor.close()
        await acceptor.wait_closed()


async def session_on(
    connection: asyncssh.SSHClientConnection, *, is_served: bool = True
) -> tuple[asyncssh.SSHClientChannel[bytes], Near]:
    return await connection.create_session(
        lambda: Near(is_served=is_served), "echo", encoding=None, window=300_000
    )


def write_all(near: Near, content: bytes) -> None:
    """In pieces of many sizes, several at once."""
    assert near.packets is not None
    at, size = 0, 1
    while at < len(content):
        piece = memoryview(content)[at : at + size]
        near.packets.write([bytes(piece[: size // 3]), piece[size // 3 :]])
        at, size = at + size, size * 3 % 262_139 + 1


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were sealed here, each time."""
    found: list[int] = []
    usual = DataPackets._send

    def send(these: DataPackets, data: bytearray, count: int) -> None:
        found.append(count)
        usual(these, data, count)

    monkeypatch.setattr(DataPackets, "_send", send)
    return found


async def echoed(there: Options, here: Options) -> bytes:
    async with line(there, here) as connection:
        channel, near = await session_on(connection)
        write_all(near, CONTENT)
        channel.write_eof()
        assert await near.lost is None
        return bytes(near.found)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        pytest.param({}, {}, id="as always"),
        pytest.param({}, {"encryption_algs": ["aes256-gcm@openssh.com"]}, id="a longer key"),
        pytest.param({"window": 5_000, "max_pktsize": 999}, {}, id="a window of five packets"),
        pytest.param({"rekey_bytes": 60_000}, {}, id="new keys, asked for there"),
        pytest.param({}, {"rekey_bytes": 60_000}, id="new keys, asked for here"),
    ],
)
def test_what_is_sealed_and_opened_is_what_was_sent(
    sealed: list[int], there: Options, here: Options
):
    assert asyncio.run(echoed(there, here)) == CONTENT

    assert sum(sealed) >= 60_000


@pytest.mark.parametrize(
    "here",
    [
        {"encryption_algs": ["chacha20-poly1305@openssh.com"]},
        {"encryption_algs": ["aes128-ctr"]},
        {"compression_algs": ["zlib@openssh.com"]},
    ],
    ids=["chacha20", "ctr", "compressed"],
)
def test_what_is_not_known_here_is_left_to_asyncssh(sealed: list[int], here: Options):
    assert asyncio.run(echoed({}, here)) == CONTENT

    assert sealed == []


def test_no_nonce_is_used_twice_with_a_key(monkeypatch: pytest.MonkeyPatch):
    used: list[tuple[bytes, bytes]] = []

    class Recording:
        def __init__(self, key: bytes) -> None:
            self._key, self._aead = key, AESGCM(key)
            self.decrypt = self._aead.decrypt

        def encrypt(self, nonce: bytes, data: bytes, head: bytes) -> bytes:
            used.append((self._key, nonce))
            return self._aead.encrypt(nonce, data, head)

        def encrypt_into(self, nonce: bytes, data: Any, head: bytes, into: Any) -> int:
            used.append((self._key, nonce))
            return self._aead.encrypt_into(nonce, data, head, into)

    monkeypatch.setattr(ciphers, "AESGCM", Recording)
    monkeypatch.setattr(packets, "AESGCM", Recording)

    assert asyncio.run(echoed({}, {"rekey_bytes": 100_000})) == CONTENT

    assert len(set(used)) == len(used) > 2 * len(CONTENT) // 32_768
    assert len({key for key, _ in used}) > 4


def test_another_channel_of_the_connection_goes_on_beside_it():
    async def both() -> list[bytes]:
        async with line() as connection:
            first, served = await session_on(connection)
            second, usual = await session_on(connection, is_served=False)
            for at in range(0, len(CONTENT), 50_000):
                second.write(CONTENT[at : at + 50_000])
                write_all(served, CONTENT[at : at + 50_000])
                await asyncio.sleep(0)
            first.write_eof()
            second.write_eof()
            assert await served.lost is None
            assert await usual.lost is None
            return [bytes(served.found), bytes(usual.found)]

    assert asyncio.run(both()) == [CONTENT, CONTENT]


@pytest.mark.parametrize(
    ("noise", "says"),
    [
        ((32).to_bytes(4, "big") + bytes(48), "MAC"),
        (b"\xff" * 40, "size"),
        ((0).to_bytes(4, "big") + bytes(60), "MAC"),
    ],
    ids=["not sealed with the key", "longer than can be", "nothing in it"],
)
def test_what_was_altered_on_the_way_ends_the_connection(noise: bytes, says: str):
    async def altered() -> tuple[bytes, Exception | None]:
        async with line() as connection:
            _, near = await session_on(connection)
            inside: Any = connection
            inside.data_received(noise)
            return bytes(near.found), await near.lost

    found, lost = asyncio.run(altered())

    assert found == b""
    assert says in str(lost)


def test_what_arrives_in_any_pieces_is_taken(monkeypatch: pytest.MonkeyPatch):
    """Each piece of the stream is cut at places that no packet knows."""

    async def cut() -> bytes:
        async with line() as connection:
            channel, near = await session_on(connection)
            inside: Any = connection
            whole = inside.data_received

            def received(data: bytes, datatype: int | None = None) -> None:
                for at in range(0, len(data), 7_919):
                    whole(data[at : at + 3], datatype)
                    whole(data[at + 3 : at + 7_919], datatype)

            inside.data_received = received
            write_all(near, CONTENT)
            channel.write_eof()
            assert await near.lost is None
            return bytes(near.found)

    assert asyncio.run(cut()) == CONTENT


def test_an_asyncssh_that_looks_different_inside_does_it_all_by_itself(
    sshd: Sshd, root: Path, monkeypatch: pytest.MonkeyPatch, sealed: list[int]
):
    monkeypatch.setattr(packets, "_CHANNEL", (*packets._CHANNEL, "_of_another_version"))
    library = sshd.library(root, connections="3")  # a line of its own
    library.initialise(IDENTITY)
    copy_job(library, sample_job())

    check_copy(library, sample_job())
    assert sealed == []


class Silent(asyncssh.SFTPServer):
    """Never answers one question."""

    async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


def test_a_server_that_never_answers_has_lost_the_session(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("engine.library.sftp.channel.ANSWER_S", 0.3)
    with running_plain_server(tmp_path / "server", Silent) as server:
        library = server.library(root)

        with pytest.raises(LibraryOffline, match="did not answer for"):
            library.probe()


@pytest.mark.parametrize(
    ("asked", "answered", "is_lost"),
    [
        pytest.param({1: 0, 2: 1}, {}, True, id="silence"),
        pytest.param({1: 0, 2: 59}, {2: 60}, False, id="something was answered just now"),
        pytest.param({1: 0, 2: 61}, {2: 62}, True, id="what was asked a minute later was"),
        pytest.param({1: 0}, {1: 5}, False, id="nothing waits"),
    ],
)
def test_when_a_request_waits_in_vain(
    asked: dict[int, float], answered: dict[int, float], is_lost: bool
):
    async def after() -> bool:
        channel = SftpChannel(LibraryOffline)
        clock: Any = Clock()
        channel._loop = clock
        for number, clock.now in sorted(asked.items()):
            channel._waiting[number] = asyncio.Future(), 0, clock.now
        for number, clock.now in sorted(answered.items()):
            channel._deliver(memoryview(b"\x65" + number.to_bytes(4, "big") + bytes(4)))
        clock.now = 100
        channel._look_at_waiting()
        return channel.error is not None

    assert asyncio.run(after()) is is_lost


class Clock:
    """Of a loop."""

    now: float = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: object) -> None:
        assert when > self.now


def test_what_comes_behind_a_packet_that_takes_its_time_waits_for_it():
    """As asyncssh works some of them off in a task, and takes nothing until that has ended."""
    before, behind = CONTENT[:50_000], CONTENT[50_000:120_000]

    async def talk(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await process.stdin.read(1)
        process.stdout.write(before)
        process.channel.get_connection().send_debug("it takes its time")
        process.stdout.write(behind)
        await process.stdin.read()
        process.exit(0)

    async def taken() -> tuple[bytes, bytes]:
        async with asyncio.timeout(60), line({"process_factory": talk}) as connection:
            channel, near = await session_on(connection)
            inside: Any = connection
            received, work_off, held = inside.data_received, inside._recv_data, bytearray()

            def work_off_later() -> None:
                ready, inside._recv_handler = inside._recv_handler, lambda: False
                inside._recv_data = work_off
                asyncio.get_running_loop().call_soon(go_on, ready)

            def go_on(ready: object) -> None:
                inside._recv_handler = ready
                work_off()

            is_all_here = asyncio.Event()

            def hold(data: bytes, datatype: int | None = None) -> None:
                held.extend(data)
                if len(held) > len(before + behind):
                    is_all_here.set()

            inside.data_received = hold
            channel.write(b"x")
            await is_all_here.wait()
            inside._recv_data = work_off_later
            inside.data_received = received
            inside.data_received(bytes(held))
            first = bytes(near.found)
            channel.write_eof()
            assert await near.lost is None
            return first, bytes(near.found)

    first, found = asyncio.run(taken())

    assert found == before + behind
    assert len(first) <= len(before)
