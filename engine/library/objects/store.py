"""Requests to one bucket: every call once more where that helps, its failure as a `StoreFault`.

One client per address and process, on one event loop in a thread of its own: connections, region
and credentials are kept between the calls of many libraries, jobs and streams. Everything here
runs on that loop; `StoreThread` is the way in.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.loaders import Loader

from engine.library.objects.address import S3Address
from engine.library.objects.bodies import Body, size_of
from engine.library.objects.credentials import credentials_of
from engine.library.objects.direct import SMALL_BYTES, Direct
from engine.library.objects.faults import RETRIED, Kind, StoreFault
from engine.library.objects.replies import ElsewhereError
from engine.library.objects.signing import sign_what_is_declared
from engine.library.objects.translating import translated

T = TypeVar("T")

TRIES = 5
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
CONNECT_S = 10.0
ANSWER_S = 60.0  # a store puts thousands of parts together before it answers
SOON_S = 20.0  # a small request, and the begin of what is asked for
LEAST_BPS = 4 * 1024  # of a body; what is slower than that is no line
SILENT_TRIES = 2  # of a server that takes requests and says nothing: it is not asked five times
CONNECTIONS = 64
DEFAULT_REGION = "us-east-1"
_MODELS = Loader()
"""The description of the protocol: megabytes, read once for all clients."""
_LONG = frozenset({"put_object", "upload_part", "complete_multipart_upload", "delete_objects"})
"""They carry data, or are much work over there."""


def _accept(_: object) -> None:
    """Any answer will do."""


class Store:
    """One bucket. For its event loop.

    Args:
        address: where, and as whom.
    """

    def __init__(self, address: S3Address) -> None:
        self.address = address
        self.latency_s: float | None = None
        """Of the quickest recent answer to a small request."""
        self._client: Any = None
        self._direct: Direct | None = None
        self._opening = asyncio.Lock()
        self._held = contextlib.AsyncExitStack()

    @property
    def connections(self) -> int:
        """How many are open, idle ones among them."""
        if self._client is None:
            return 0
        sessions = self._client._endpoint.http_session._sessions.values()
        pools = [session.connector for session in sessions if session.connector is not None]
        idle = sum(len(some) for pool in pools for some in pool._conns.values())
        own = 0 if self._direct is None else self._direct.connections
        return own + idle + sum(len(pool._acquired) for pool in pools)

    async def call(
        self,
        operation: str,
        /,
        *,
        tries: int = TRIES,
        check: Callable[[dict[str, Any]], None] = _accept,
        **params: Any,
    ) -> dict[str, Any]:
        """One request, its answer read whole.

        Args:
            operation: as botocore names it, e.g. `head_object`.
            tries: how often it is sent when it fails in a way that may pass.
            check: raises a `StoreFault` for an answer that is not to be believed.
            params: without the bucket.

        Raises:
            StoreFault: it failed for good.
        """

        async def once() -> dict[str, Any]:
            async with asyncio.timeout(_longest_s(operation, params)):
                answer = await self._asked(operation, params)
            check(answer)
            return answer

        return await self._trying(once, tries)

    async def read(self, key: str, into: memoryview, offset: int, **params: Any) -> dict[str, Any]:
        """Fills a buffer with a range of an object; a stream that breaks is asked for again.

        Returns:
            The answer, without its body; shorter than asked for at the end of the object.

        Raises:
            StoreFault: it failed for good.
        """
        wanted = f"bytes={offset}-{offset + len(into) - 1}"

        async def once() -> dict[str, Any]:
            at = 0

            def take(block: bytes) -> None:
                nonlocal at
                if at + len(block) > len(into):
                    raise StoreFault(Kind.CORRUPT, text="more bytes came than were asked for")
                into[at : at + len(block)] = block
                at += len(block)

            asked = {"Key": key, "Range": wanted, **params}
            found = await self._fetched(asked) if len(into) <= SMALL_BYTES else None
            if found is not None:
                answer, body = found
                take(body)
            else:
                answer, stream = await self._got(**asked)
                async with stream:
                    async for block in stream.content.iter_any():
                        take(block)
            if at != answer["ContentLength"]:
                raise StoreFault(
                    Kind.NETWORK, text=f"the answer ended after {at} of {len(into)} bytes"
                )
            return answer

        return await self._trying(once, TRIES)

    async def whole(
        self, key: str, begin: Callable[[], Callable[[bytes], object]]
    ) -> dict[str, Any]:
        """Hands a whole object over, block by block, in one stream.

        Args:
            begin: called at each try; returns what takes the blocks from the first on.

        Raises:
            StoreFault: it failed; a part may have been handed over.
        """

        async def once() -> dict[str, Any]:
            answer, stream = await self._got(Key=key)
            sink, count = begin(), 0
            async with stream:
                async for block in stream.content.iter_any():
                    count += len(block)
                    sink(block)
            if count != answer["ContentLength"]:
                raise StoreFault(Kind.NETWORK, text=f"the answer ended after {count} bytes")
            return answer

        return await self._trying(once, TRIES)

    async def listed(
        self, prefix: str, *, delimiter: str = "", page: int = 1000
    ) -> AsyncIterator[dict[str, Any]]:
        """The pages of a listing; keys as they are.

        Raises:
            StoreFault: it failed.
        """
        more: dict[str, Any] = {"Delimiter": delimiter} if delimiter else {}
        while True:
            answer = await self.call("list_objects_v2", Prefix=prefix, MaxKeys=page, **more)
            yield answer
            if not answer.get("IsTruncated"):
                return
            more |= going_on(answer, more, ContinuationToken="NextContinuationToken")

    async def close(self) -> None:
        """Closes the connections; a later call opens new ones."""
        async with self._opening:
            direct, self._client, self._direct = self._direct, None, None
            if direct is not None:
                await direct.close()
            await self._held.aclose()
            self._held = contextlib.AsyncExitStack()

    async def _asked(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        client = await self._opened()
        answer = await self._directly(operation, params)
        if answer is None:
            if "Body" in params:
                params = {**params, "Body": _from_its_beginning(params["Body"])}
            answer = await getattr(client, operation)(Bucket=self.address.bucket, **params)
        return answer

    async def _directly(self, operation: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a request that is made by hand; None: it is left to botocore."""
        if self._direct is None or not Direct.can(operation, params):
            return None
        direct = self._direct
        try:
            answer, _ = await direct.send(operation, params)
        except ElsewhereError:
            await self._leave(direct)
            return None
        return answer

    async def _leave(self, direct: Direct) -> None:
        """Botocore does everything from now on."""
        if self._direct is direct:
            self._direct = None
        await direct.close()

    async def _fetched(self, params: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
        """The answer to a get of little, and its body; None: it is left to `_got`."""
        async with asyncio.timeout(SOON_S):
            await self._opened()
        direct = self._direct
        if direct is None:
            return None
        try:
            return await direct.fetch(params, SOON_S)
        except ElsewhereError:
            await self._leave(direct)
            return None

    async def _got(self, **params: Any) -> tuple[dict[str, Any], Any]:
        """The answer to a get, and its body as a stream that is to be left."""
        async with asyncio.timeout(SOON_S):
            client = await self._opened()
            direct = self._direct
            if direct is not None:
                try:
                    return await direct.send("get_object", params)
                except ElsewhereError:
                    await self._leave(direct)
            answer = await client.get_object(Bucket=self.address.bucket, **params)
            return answer, answer.pop("Body").raw_stream

    async def _opened(self) -> Any:
        if self._client is not None:
            return self._client
        async with self._opening:
            if self._client is None:
                client = await self._held.enter_async_context(self._new_client())
                sign_what_is_declared(client)
                self._direct = await Direct.of(
                    client,
                    self.address.bucket,
                    connections=CONNECTIONS,
                    connect_s=CONNECT_S,
                    silence_s=ANSWER_S,
                )
                self._client = client  # whoever sees it sees both
            return self._client

    def _new_client(self) -> Any:
        address, held = self.address, credentials_of(self.address)
        session = AioSession(profile=address.profile if address.profile and not held else None)
        session.register_component("data_loader", _MODELS)
        keys: dict[str, Any] = {}
        if held is not None:
            keys = {
                "aws_access_key_id": held.access_key,
                "aws_secret_access_key": held.secret_key,
                "aws_session_token": held.token,
            }
        region = address.region or session.get_config_variable("region") or DEFAULT_REGION
        return session.create_client(
            "s3",
            endpoint_url=address.endpoint or None,
            region_name=region,
            config=AioConfig(
                signature_version="s3v4",
                connect_timeout=CONNECT_S,
                read_timeout=ANSWER_S,
                max_pool_connections=CONNECTIONS,
                retries={"max_attempts": 0},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if address.path_style else "virtual"},
            ),
            **keys,
        )

    async def _trying(self, once: Callable[[], Awaitable[T]], tries: int) -> T:
        silent = 0
        for number in range(1, tries + 1):
            try:
                began_s = time.monotonic()
                with translated(self.address):
                    answer = await once()
                self._note(time.monotonic() - began_s)
                return answer
            except StoreFault as fault:
                if fault.kind is Kind.AUTH:
                    await self.close()  # the next call reads the credentials anew
                silent += fault.is_silence
                if fault.kind not in RETRIED or number == tries or silent == SILENT_TRIES:
                    raise
                pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (number - 1))
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries
        raise AssertionError("a loop that always returns or raises")

    def _note(self, seconds: float) -> None:
        before = self.latency_s
        self.latency_s = seconds if before is None else min(seconds, before * 1.05)


def _longest_s(operation: str, params: dict[str, Any]) -> float:
    """How long a request may take at most: one that nobody takes any more must end."""
    if operation not in _LONG:
        return SOON_S
    body = params.get("Body")
    return 2 * ANSWER_S + (0 if body is None else size_of(body)) / LEAST_BPS


def going_on(page: dict[str, Any], before: dict[str, Any], **marks: str) -> dict[str, Any]:
    """The parameters with which a list that was cut off goes on.

    Args:
        page: the answer.
        before: the parameters that it was asked for with.
        marks: names of parameters, and of what the page says for each.

    Raises:
        StoreFault: it says nothing, or the same again: the list would have no end.
    """
    more = {param: page[said] for param, said in marks.items() if page.get(said)}
    if not more or more.items() <= before.items():
        raise StoreFault(
            Kind.CONFIG,
            text="the server cuts a list off and does not say how it goes on",
            hint="nothing can be done with half a list: look at the server, or at a proxy before it",
        )
    return more


def _from_its_beginning(body: Body) -> io.BytesIO | bytes:
    """A body as botocore takes it."""
    if isinstance(body, io.BytesIO):
        body.seek(0)
        return body
    return bytes(body)
