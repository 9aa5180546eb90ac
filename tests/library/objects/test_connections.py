"""Connections that are kept, against a server that answers as it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from engine.library.objects import lines
from engine.library.objects.address import S3Address
from engine.library.objects.answers import CutOffError, GarbledError
from engine.library.objects.faults import StoreFault
from engine.library.objects.lines import Lines, LostError, Request, UnreachedError
from engine.library.objects.translating import translated
from tests.library.objects.test_direct import own_certificate

GET = Request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE_S = 60.0

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


class Served:
    """A server, and what it saw."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests = 0
        self.asked = asyncio.Event()


@contextlib.asynccontextmanager
async def served(answering: Answering, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """Calls `answering` for each request, with how many there were on this connection before."""
    seen = Served()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        count = 0
        try:
            while not writer.is_closing() and await reader.readuntil(b"\r\n\r\n"):
                seen.requests += 1
                seen.asked.set()
                await answering(reader, writer, count)
                count += 1
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn


@contextlib.asynccontextmanager
async def lines_to(
    seen: Served, *, at_most: int = 4, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Lines]:
    found = Lines("127.0.0.1", seen.port, tls=tls, at_most=at_most, connect_s=PATIENCE_S)
    try:
        yield found
    finally:
        await found.close()


async def ask(found: Lines, silence_s: float = PATIENCE_S) -> bytes:
    return (await found.ask(GET, silence_s=silence_s)).body


def saying(text: bytes, *, ends: bool = False) -> Answering:
    async def answering(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: int) -> None:
        writer.write(text)
        await writer.drain()
        if ends:
            writer.close()

    return answering


async def test_a_connection_is_used_again_and_there_are_no_more_than_allowed():
    async with served(saying(OK)) as seen, lines_to(seen, at_most=3) as found:
        assert await asyncio.gather(*(ask(found) for _ in range(20))) == [b"ok"] * 20
        assert (seen.requests, found.count) == (20, seen.connections)
        assert seen.connections <= 3


async def test_a_connection_that_the_server_closed_meanwhile_costs_nothing():
    async def answering(_: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
        if count:  # it was about to close it when the request came
            writer.close()
            return
        writer.write(OK)

    async with served(answering) as seen, lines_to(seen) as found:
        assert [await ask(found) for _ in range(3)] == [b"ok"] * 3
        assert (seen.requests, seen.connections) == (5, 3)


async def test_one_that_ends_at_once_is_lost_and_not_asked_for_ever():
    async with served(saying(b"", ends=True)) as seen, lines_to(seen) as found:
        with pytest.raises(LostError):
            await ask(found)
        assert (seen.requests, found.count) == (1, 0)


async def test_an_answer_that_is_cut_off_is_not_one():
    async with served(saying(OK[:-1], ends=True)) as seen, lines_to(seen) as found:
        with pytest.raises(CutOffError):
            await ask(found)
        assert seen.requests == 1, "something had come: whoever asked decides"


async def test_what_answers_is_no_web_server():
    async with served(saying(b"220 smtp ready\r\n\r\n")) as seen, lines_to(seen) as found:
        with pytest.raises(GarbledError):
            await ask(found)
        assert found.count == 0


@pytest.mark.parametrize(
    "text",
    [OK + OK, OK.replace(b"Content", b"Connection: close\r\nContent"), OK.replace(b"1.1", b"1.0")],
)
async def test_a_connection_that_is_not_clean_is_not_used_again(text: bytes):
    async with served(saying(text)) as seen, lines_to(seen) as found:
        assert [await ask(found), await ask(found)] == [b"ok", b"ok"]
        assert seen.connections == 2


async def test_what_nobody_asked_for_ends_the_connection():
    async with served(saying(OK)) as seen, lines_to(seen) as found:
        await ask(found)
        line = found._idle[0][0]
        line.get_buffer(-1)[: len(OK)] = OK
        line.buffer_updated(len(OK))
        assert not line.is_open
        assert await ask(found) == b"ok"
        assert seen.connections == 2


async def test_one_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch):
    async with served(saying(OK)) as seen, lines_to(seen) as found:
        await ask(found)
        monkeypatch.setattr(lines, "IDLE_S", 0.0)
        await ask(found)
        assert seen.connections == 2


async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: int) -> None:
    writer.write(OK[:-1])
    await asyncio.Event().wait()


async def test_silence_has_an_end():
    async with served(never) as seen, lines_to(seen) as found:
        with pytest.raises(TimeoutError):
            await ask(found, 0.05)
        assert (seen.requests, found.count) == (1, 0), "it is not asked a second time"


async def test_what_moves_is_not_silent(monkeypatch: pytest.MonkeyPatch):
    async with served(never) as seen, lines_to(seen) as found:
        line, heard = await found._opened(), asyncio.Event()
        taken = line.buffer_updated
        monkeypatch.setattr(line, "buffer_updated", lambda count: (taken(count), heard.set()))
        asked = asyncio.ensure_future(line.ask(GET, silence_s=PATIENCE_S))
        await heard.wait()
        exchange = line._exchange
        line._look_for_silence(exchange, PATIENCE_S, (0, 0))
        assert line.is_open
        line._look_for_silence(exchange, PATIENCE_S, line._seen(exchange))
        with pytest.raises(TimeoutError):
            await asked
        assert not line.is_open


async def test_one_that_is_given_up_is_not_used_again():
    """What comes later would be taken for the answer to the next request."""
    async with served(never) as seen, lines_to(seen) as found:
        asked = asyncio.ensure_future(ask(found))
        await seen.asked.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert found.count == 0


async def test_how_nothing_is_reached():
    found = Lines("127.0.0.1", 1, tls=None, at_most=1, connect_s=PATIENCE_S)
    with pytest.raises(UnreachedError) as caught:
        await ask(found)
    assert caught.value.why.errno == errno.ECONNREFUSED
    address = S3Address(bucket="vault", endpoint="http://store.example")
    with (
        pytest.raises(StoreFault, match=r"store\.example refuses connections"),
        translated(address),
    ):
        raise caught.value


async def test_an_encrypted_connection_trusts_what_it_is_told_to(tmp_path: Path):
    pem = own_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with served(saying(OK), server) as seen:
        async with lines_to(seen, tls=strict) as found:
            with pytest.raises(UnreachedError) as caught:
                await ask(found)
            assert isinstance(caught.value.why, ssl.SSLCertVerificationError)
        strict.load_verify_locations(pem)
        async with lines_to(seen, tls=strict) as found:
            assert [await ask(found) for _ in range(3)] == [b"ok"] * 3
            assert found.count == 1
