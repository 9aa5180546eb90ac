"""The requests that carry data, and lists of objects, made by hand: botocore's way costs more than the sending.

Only what a put, a part, a get and a list need, signed with Signature Version 4 over the digest that is
declared for the body. Address, credentials, region and connections are those of botocore's client;
whatever is not known here goes through it, and so does everything once a store answers that it
lies elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, urlsplit
from xml.etree import ElementTree

import aiohttp
from yarl import URL

from engine.library.objects.faults import Kind, StoreFault, fault_of_response

LIST = "list_objects_v2"
_METHODS = {"put_object": "PUT", "upload_part": "PUT", "get_object": "GET", LIST: "GET"}
_HEADERS = {
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ContentMD5": "content-md5",
    "IfNoneMatch": "if-none-match",
    "IfMatch": "if-match",
    "Range": "range",
}
_WRITTEN = {"authorization": "Authorization", "content-md5": "Content-MD5"}
"""As everybody writes them; there are servers and proxies that mind."""
_QUERY = {"PartNumber": "partNumber", "UploadId": "uploadId"}
_LIST_QUERY = {
    "ContinuationToken": "continuation-token",
    "Delimiter": "delimiter",
    "MaxKeys": "max-keys",
    "Prefix": "prefix",
}
"""In their order; what every list is asked for comes between them."""
_OTHERS = frozenset({"Key", "Body", "ContentLength"})
_ANSWERS = {
    "etag": "ETag",
    "x-amz-checksum-sha256": "ChecksumSHA256",
    "content-range": "ContentRange",
    "content-length": "ContentLength",
}
_ELSEWHERE = frozenset({"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"})
_ALGORITHM = "AWS4-HMAC-SHA256"
_NOTHING = hashlib.sha256(b"").hexdigest()
_CODE = re.compile(rb"<Code>([A-Za-z0-9._-]{1,100})</Code>")
_BLOCK_BYTES = 256 * 1024
_SAMPLE = "sample-key"
_INSIDE = ("_get_session", "_proxy_config")
"""Of the HTTP session of aiobotocore, and no part of what it promises."""


class ElsewhereError(Exception):
    """The store says that the bucket lies elsewhere: botocore knows what to do about it."""


class Keys(NamedTuple):
    """Credentials as they are now."""

    access: str
    secret: str
    token: str | None


class Signer:
    """Signs requests to one store with Signature Version 4.

    Args:
        region: that the store is in, or says it is.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._made_of: tuple[str, str] | None = None
        self._key = b""

    def sign(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        *,
        payload: str,
        keys: Keys,
        now: datetime,
    ) -> None:
        """Adds what proves who asks to the headers.

        Args:
            path: as it goes out.
            query: the same, its parameters in order.
            headers: lower case, the host among them; all of them are signed.
            payload: SHA-256 of the body, in hex.
            now: with its zone.
        """
        moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers["x-amz-date"] = moment
        headers["x-amz-content-sha256"] = payload
        if keys.token:
            headers["x-amz-security-token"] = keys.token
        names = sorted(headers)
        signed = ";".join(names)
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
        asked = f"{method}\n{path}\n{query}\n{lines}\n{signed}\n{payload}"
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(asked.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
        key = self._key_of(keys.secret, moment[:8])
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"{_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={signed}, "
            f"Signature={signature}"
        )

    def _key_of(self, secret: str, day: str) -> bytes:
        """The key of a day: made once."""
        if self._made_of != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._made_of, self._key = (secret, day), key
        return self._key


class Direct:
    """Puts, parts, gets and lists of one bucket. On the loop of its store.

    Args:
        client: of botocore.
        base: URL of the bucket, to which keys are appended.
    """

    def __init__(self, client: Any, base: str) -> None:
        self._credentials = client._request_signer._credentials
        self._http = client._endpoint.http_session
        self._signer = Signer(client.meta.region_name)
        address = urlsplit(base)
        self._origin = f"{address.scheme}://{address.netloc}"
        self._host, self._path = address.netloc, address.path
        self._bucket_path = address.path.rstrip("/") or "/"
        proxies = self._http._proxy_config
        self._proxy: str | None = proxies.proxy_url_for(base)
        self._proxy_headers: dict[str, str] = proxies.proxy_headers_for(base)

    @classmethod
    async def of(cls, client: Any, bucket: str) -> Direct | None:
        """Asks botocore where the bucket is; sends nothing.

        None where the client looks different inside than is known here: botocore does it all then.
        """
        http = client._endpoint.http_session
        if not all(hasattr(http, name) for name in _INSIDE):
            return None
        found = await client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": _SAMPLE}
        )
        return cls(client, found.partition("?")[0].removesuffix(_SAMPLE))

    @staticmethod
    def can(operation: str, params: Mapping[str, Any]) -> bool:
        """True for a request that is made here."""
        if operation == LIST:
            return params.keys() <= _LIST_QUERY.keys()
        return operation in _METHODS and params.keys() <= _HEADERS.keys() | _QUERY.keys() | _OTHERS

    async def send(self, operation: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """Sends a request; the answer as botocore names it, and its body, not read yet, for a get.

        Raises:
            StoreFault: the server refuses it, or its list is none.
            ElsewhereError: the bucket lies elsewhere.
            aiohttp.ClientError, TimeoutError, OSError: it does not answer.
        """
        if operation == LIST:
            answer = await self._sent("GET", self._bucket_path, _asked(_listing(params)), {})
            return list_of(await answer.read()), None
        method = _METHODS[operation]
        path = self._path + quote(params["Key"], safe="/~")
        query = _asked([(name, params[param]) for param, name in _QUERY.items() if param in params])
        answer = await self._sent(method, path, query, params, is_stream=method == "GET")
        found: dict[str, Any] = {
            name: answer.headers[header]
            for header, name in _ANSWERS.items()
            if header in answer.headers
        }
        if "ContentLength" in found:
            found["ContentLength"] = int(found["ContentLength"])
        return found, answer

    async def _sent(
        self,
        method: str,
        path: str,
        query: str,
        params: Mapping[str, Any],
        *,
        is_stream: bool = False,
    ) -> Any:
        """The answer to a signed request; raises as `send`."""
        headers = {name: str(params[p]) for p, name in _HEADERS.items() if p in params}
        headers["host"] = self._host
        body = params.get("Body")
        self._signer.sign(
            method,
            path,
            query,
            headers,
            payload=_payload(params, body),
            keys=Keys(*(await self._credentials.get_frozen_credentials())[:3]),
            now=datetime.now(UTC),
        )
        del headers["host"]  # the client's own
        if body is not None:
            headers["content-length"] = str(_size(body))
        headers = {_WRITTEN.get(name, name): value for name, value in headers.items()}
        headers["Accept-Encoding"] = "identity"
        url = URL(f"{self._origin}{path}?{query}" if query else self._origin + path, encoded=True)
        session = await self._session()
        answer = await session.request(
            method,
            url,
            headers=headers,
            data=_body_of(body),
            allow_redirects=False,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
        )
        if answer.status >= 300:
            raise await _refusal(answer)
        if not is_stream:
            await answer.read()
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


def list_of(body: bytes) -> dict[str, Any]:
    """A page of a list as botocore names it, as far as it is needed.

    Raises:
        StoreFault: it is none.
    """
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat bounds what entities may grow to
        if _plain(root) != "ListBucketResult":  # an error, or the page of a proxy: no empty list
            raise ValueError(root.tag)
        found: dict[str, Any] = {"Contents": [], "CommonPrefixes": []}
        for element in root:
            name = _plain(element)
            if name == "Contents":
                item: dict[str, Any] = {_plain(one): one.text or "" for one in element}
                found[name].append(
                    {"Key": item["Key"], "ETag": item.get("ETag"), "Size": int(item["Size"])}
                )
            elif name == "CommonPrefixes":
                found[name] += [{"Prefix": one.text or ""} for one in element]
            else:
                found[name] = element.text or ""
    except (ElementTree.ParseError, KeyError, ValueError) as err:
        raise StoreFault(Kind.NETWORK, text="the answer to a list is none") from err
    found["IsTruncated"] = found.get("IsTruncated") == "true"
    if found.get("EncodingType") == "url":
        for item in found["Contents"]:
            item["Key"] = unquote_plus(item["Key"])
        for item in found["CommonPrefixes"]:
            item["Prefix"] = unquote_plus(item["Prefix"])
    return found


def _plain(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


async def _refusal(answer: aiohttp.ClientResponse) -> StoreFault | ElsewhereError:
    code = _CODE.search(await answer.read())
    said = code[1].decode("ascii") if code else ""
    if answer.status in (301, 302, 307, 308) or said in _ELSEWHERE:
        return ElsewhereError()
    status = {"HTTPStatusCode": answer.status}
    return fault_of_response({"Error": {"Code": said}, "ResponseMetadata": status})


def _payload(params: Mapping[str, Any], body: io.BytesIO | None) -> str:
    """SHA-256 of the body in hex; not computed again where it is declared."""
    if body is None:
        return _NOTHING
    declared = params.get("ChecksumSHA256")
    if declared:
        return base64.b64decode(declared).hex()
    with body.getbuffer() as view:
        return hashlib.sha256(view).hexdigest()


def _size(body: io.BytesIO) -> int:
    with body.getbuffer() as view:
        return len(view)


def _body_of(body: io.BytesIO | None) -> bytes | AsyncIterator[bytes] | None:
    if body is None:
        return None
    return body.getvalue() if _size(body) <= _BLOCK_BYTES else _blocks(body)


async def _blocks(body: io.BytesIO) -> AsyncIterator[bytes]:
    for at in range(0, _size(body), _BLOCK_BYTES):
        body.seek(at)
        yield body.read(_BLOCK_BYTES)
