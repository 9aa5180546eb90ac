"""The requests that carry data, lists and looks at objects, made by hand: botocore's way costs more than the sending.

Only what a put, a part, a get, a list and a look need, signed with Signature Version 4 over the digest
that is declared for the body. Address, credentials and region are those of botocore's client. What
is small goes over connections of our own (`lines`), larger bodies over those of the client.
Whatever is not known here goes through botocore, and so does everything once a store answers that
it lies elsewhere.
"""

from __future__ import annotations

import asyncio
import io
import re
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from engine.library.objects.answers import Answer
from engine.library.objects.bodies import Body, in_blocks, payload_digest, size_of
from engine.library.objects.faults import Kind, StoreFault
from engine.library.objects.lines import Lines, Request
from engine.library.objects.replies import ElsewhereError, list_of, object_of, refusal_of
from engine.library.objects.signing import Keys, Signer

LIST = "list_objects_v2"
LOOK = "head_object"
_METHODS = {
    "put_object": "PUT",
    "upload_part": "PUT",
    "get_object": "GET",
    LIST: "GET",
    LOOK: "HEAD",
}
_HEADERS = {
    "ChecksumMode": "x-amz-checksum-mode",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ContentMD5": "content-md5",
    "IfNoneMatch": "if-none-match",
    "IfMatch": "if-match",
    "Range": "range",
}
_WRITTEN = {
    "authorization": "Authorization",
    "content-length": "Content-Length",
    "content-md5": "Content-MD5",
    "host": "Host",
}
"""As everybody writes them; there are servers and proxies that mind."""
_QUERY = {"PartNumber": "partNumber", "UploadId": "uploadId"}
_LIST_QUERY = {
    "ContinuationToken": "continuation-token",
    "Delimiter": "delimiter",
    "MaxKeys": "max-keys",
    "Prefix": "prefix",
}
"""In their order; what every list is asked for comes between them."""
_KNOWN = frozenset({"Key", "Body", "ContentLength", *_HEADERS, *_QUERY})
_LISTED = frozenset(_LIST_QUERY)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
"""Nobody writes them into a `Host`, so nobody signs them."""
_ALWAYS = "Accept: */*\r\nAccept-Encoding: identity\r\nUser-Agent: auxtui\r\n\r\n"
_ODD = re.compile(r"[\r\n]|[^\0-\x7f]")
SMALL_BYTES = 1024**2
"""Up to this size a body goes out with its head at once, and comes with it."""
_SAMPLE = "sample-key"
_INSIDE = ("_get_session", "_proxy_config")
"""Of the HTTP session of aiobotocore, and no part of what it promises."""


class _Request(NamedTuple):
    """A request that is signed."""

    method: str
    target: str
    """Path and query."""
    headers: dict[str, str]
    """Lower case, the host among them."""
    body: Body | None

    def outgoing(self) -> Request:
        """As it goes out.

        Raises:
            StoreFault: its headers cannot be sent.
        """
        lines = "\0".join(f"{_WRITTEN.get(name, name)}: {v}" for name, v in self.headers.items())
        if lines.count("\0") >= len(self.headers) or _ODD.search(lines):
            raise StoreFault(
                Kind.AUTH,
                text="the access key or the token is no line of plain text",
                hint="look at the credentials: at line ends in a variable, for one",
            )
        text = f"{self.method} {self.target} HTTP/1.1\0{lines}\0{_ALWAYS}"
        head = text.replace("\0", "\r\n").encode("ascii")
        body = self.body.getvalue() if isinstance(self.body, io.BytesIO) else self.body
        return Request(head, body or b"", self.method == "HEAD")


class Direct:
    """Puts, parts, gets, lists and looks of one bucket. On the loop of its store.

    Args:
        client: of botocore.
        base: URL of the bucket, to which keys are appended.
        silence_s: how long nothing may move of a small request; of a larger one twice as long.
    """

    def __init__(self, client: Any, base: str, *, silence_s: float) -> None:
        self._credentials = client._request_signer._credentials
        self._http = client._endpoint.http_session
        self._signer = Signer(client.meta.region_name)
        self._address = address = urlsplit(base)
        self._origin = f"{address.scheme}://{address.netloc}"
        self._host = address.netloc.removesuffix(_DEFAULT_PORTS.get(address.scheme, ""))
        self._path = address.path
        self._bucket_path = address.path.rstrip("/") or "/"
        proxies = self._http._proxy_config
        self._proxy: str | None = proxies.proxy_url_for(base)
        self._proxy_headers: dict[str, str] = proxies.proxy_headers_for(base)
        self._silence_s = silence_s
        self._lines: Lines | None = None
        """None where a proxy is between, or the client looks different inside."""

    @classmethod
    async def of(
        cls, client: Any, bucket: str, *, connections: int, connect_s: float, silence_s: float
    ) -> Direct | None:
        """Asks botocore where the bucket is; sends nothing.

        None where the client looks different inside than is known here: botocore does it all then.

        Args:
            client: of botocore.
            bucket: name of it.
            connections: for small requests, at most.
            connect_s: how long to wait for one.
            silence_s: how long nothing may move of a small request.
        """
        http = client._endpoint.http_session
        if not all(hasattr(http, name) for name in _INSIDE):
            return None
        found = await client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": _SAMPLE}
        )
        base = found.partition("?")[0].removesuffix(_SAMPLE)
        direct = cls(client, base, silence_s=silence_s)
        await direct._lay_lines(connections, connect_s)
        return direct

    async def _lay_lines(self, connections: int, connect_s: float) -> None:
        """Encrypted ones trust what botocore's client trusts."""
        address, tls = self._address, None
        if self._proxy is not None or not address.netloc.isascii() or address.hostname is None:
            return
        if address.scheme == "https":
            tls = getattr((await self._session()).connector, "_ssl", None)
            if not isinstance(tls, ssl.SSLContext):
                return
        port = address.port or (80 if tls is None else 443)
        self._lines = Lines(
            address.hostname, port, tls=tls, at_most=connections, connect_s=connect_s
        )

    @property
    def connections(self) -> int:
        """How many of its own are open."""
        return 0 if self._lines is None else self._lines.count

    async def close(self) -> None:
        """Closes its own connections; those of the client are the client's."""
        if self._lines is not None:
            await self._lines.close()

    @staticmethod
    def can(operation: str, params: Mapping[str, Any]) -> bool:
        """True for a request that is made here."""
        if operation == LIST:
            return _LISTED.issuperset(params)
        if operation == LOOK and "ChecksumMode" not in params:
            return False  # who asks so wants more of the answer than is read here
        return operation in _METHODS and _KNOWN.issuperset(params)

    async def send(self, operation: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """Sends a request; the answer as botocore names it, and its body, not read yet, for a get.

        Raises:
            StoreFault: the server refuses it, or its list is none.
            ElsewhereError: the bucket lies elsewhere.
            aiohttp.ClientError, TimeoutError, OSError: it does not answer.
        """
        if operation == LIST:
            asked = await self._signed("GET", self._bucket_path, _asked(_listing(params)), {})
            return list_of((await self._whole(asked, self._silence_s)).body), None
        asked = await self._about_object(operation, params)
        if asked.method == "GET":
            stream = await self._streamed(asked)
            return object_of(stream.headers), stream
        return object_of((await self._whole(asked, self._silence_s)).headers), None

    async def fetch(
        self, params: Mapping[str, Any], silence_s: float
    ) -> tuple[dict[str, Any], bytes]:
        """As a get by `send`, of little: with its body.

        Args:
            params: of the get.
            silence_s: how long nothing may move.
        """
        answer = await self._whole(await self._about_object("get_object", params), silence_s)
        return {"ContentLength": len(answer.body), **object_of(answer.headers)}, answer.body

    async def _about_object(self, operation: str, params: Mapping[str, Any]) -> _Request:
        path = self._path + quote(params["Key"], safe="/~")
        query = _asked([(name, params[param]) for param, name in _QUERY.items() if param in params])
        return await self._signed(_METHODS[operation], path, query, params)

    async def _signed(
        self, method: str, path: str, query: str, params: Mapping[str, Any]
    ) -> _Request:
        headers = {name: str(params[p]) for p, name in _HEADERS.items() if p in params}
        headers["host"] = self._host
        body = params.get("Body")
        self._signer.sign(
            method,
            path,
            query,
            headers,
            payload=payload_digest(params, body),
            keys=Keys(*(await self._credentials.get_frozen_credentials())[:3]),
            now=datetime.now(UTC),
        )
        if body is not None:
            headers["content-length"] = str(size_of(body))
        return _Request(method, f"{path}?{query}" if query else path, headers, body)

    async def _whole(self, request: _Request, silence_s: float) -> Answer:
        """The answer to a request, read whole; raises as `send`."""
        size = 0 if request.body is None else size_of(request.body)
        if self._lines is None or size > SMALL_BYTES:
            stream = await self._streamed(request)
            body = await stream.read()
            headers = {name.lower(): value for name, value in stream.headers.items()}
            return Answer(stream.status, headers, body, keeps=True)
        answer = await self._lines.ask(request.outgoing(), silence_s=silence_s)
        if answer.status >= 300:
            raise refusal_of(answer.status, answer.body)
        return answer

    async def _streamed(self, request: _Request) -> aiohttp.ClientResponse:
        """The answer to a request over the connections of the client; raises as `send`."""
        headers = {
            _WRITTEN.get(name, name): value
            for name, value in request.headers.items()
            if name != "host"  # the client's own
        }
        headers["Accept-Encoding"] = "identity"
        url = URL(self._origin + request.target, encoded=True)
        session = await self._session()
        async with asyncio.timeout(None) as limit:  # aiohttp waits for ever for room to write
            answer = await session.request(
                request.method,
                url,
                headers=headers,
                data=in_blocks(request.body, partial(_allow, limit, 2 * self._silence_s)),
                allow_redirects=False,
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
            )
        if answer.status >= 300:
            raise await _refusal(answer)
        return answer

    async def _session(self) -> aiohttp.ClientSession:
        """The session of botocore's client; its own way to send costs a third of the sending again."""
        session: aiohttp.ClientSession = await self._http._get_session(self._proxy)
        return session


def _asked(pairs: Iterable[tuple[str, Any]]) -> str:
    """A query, as it is signed and sent."""
    return "&".join(f"{name}={quote(str(value), safe='~')}" for name, value in pairs)


def _listing(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What a list is asked for, in the order of the names; keys come encoded, whatever is in them."""
    wanted = {name: params[param] for param, name in _LIST_QUERY.items() if param in params}
    return sorted({**wanted, "encoding-type": "url", "list-type": 2}.items())


async def _refusal(answer: aiohttp.ClientResponse) -> StoreFault | ElsewhereError:
    return refusal_of(answer.status, await answer.read())


def _allow(limit: asyncio.Timeout, seconds: float) -> None:
    limit.reschedule(asyncio.get_running_loop().time() + seconds)
