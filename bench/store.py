"""A store for comparisons: what S3 does with puts, parts and lists, and verifies, in memory. Prints its port, then serves.

python -m bench.store

Connections are kept, digests are computed in threads. Of what is larger than 1 MiB only the digests
are kept: it is not read back. It is quick enough that the clients are what is measured; it proves
nothing of them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

KEPT_BYTES = 1024**2
_IN_THREAD_BYTES = 256 * 1024
_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
_ISO = "2026-01-01T00:00:00.000Z"
_NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class Stored(NamedTuple):
    """An object, or a part of one."""

    size: int
    md5: bytes
    sha256: bytes
    meta: Mapping[str, str]
    body: bytes | None
    etag: str


class Upload(NamedTuple):
    """A multipart upload that was begun."""

    key: str
    parts: dict[int, Stored]
    meta: Mapping[str, str]


class Answer(NamedTuple):
    """What goes back."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Refusal(Exception):
    """An error of the protocol."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class Request:
    """What came in."""

    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Store:
    """One bucket, whatever its name is."""

    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    async def answer(self, request: Request) -> Answer:
        """Does what is asked.

        Raises:
            Refusal: it cannot be done.
        """
        if not request.key:
            return self._of_bucket(request)
        match request.method:
            case "PUT":
                return await self._put(request)
            case "POST":
                return self._post(request)
            case "DELETE":
                self.uploads.pop(request.query.get("uploadId", ""), None)
                if "uploadId" not in request.query:
                    self.objects.pop(request.key, None)
                return Answer(204)
            case _:
                return self._get(request)

    async def _put(self, request: Request) -> Answer:
        stored = await _received(request)
        if "uploadId" in request.query:
            self._upload(request).parts[int(request.query["partNumber"])] = stored
        else:
            self._refuse_other(request)
            self.objects[request.key] = stored
        sha256 = base64.b64encode(stored.sha256).decode()
        return Answer(headers={"ETag": f'"{stored.etag}"', "x-amz-checksum-sha256": sha256})

    def _post(self, request: Request) -> Answer:
        if "uploads" in request.query:
            upload = secrets.token_hex(16)
            self.uploads[upload] = Upload(request.key, {}, _meta(request))
            told = f"<Key>{_escaped(request.key)}</Key><UploadId>{upload}</UploadId>"
            return _xml("InitiateMultipartUploadResult", told)
        upload_of = self._upload(request)
        self._refuse_other(request)
        parts = [upload_of.parts[number] for number in sorted(upload_of.parts)]
        md5 = hashlib.md5(b"".join(part.md5 for part in parts), usedforsecurity=False)
        whole = Stored(
            sum(part.size for part in parts),
            md5.digest(),
            hashlib.sha256(b"".join(part.sha256 for part in parts)).digest(),
            upload_of.meta,
            None,
            f"{md5.hexdigest()}-{len(parts)}",
        )
        self.objects[request.key] = whole
        del self.uploads[request.query["uploadId"]]
        told = f'<Key>{_escaped(request.key)}</Key><ETag>"{whole.etag}"</ETag>'
        return _xml("CompleteMultipartUploadResult", told)

    def _get(self, request: Request) -> Answer:
        if "uploadId" in request.query:
            parts = "".join(
                f'<Part><PartNumber>{number}</PartNumber><ETag>"{part.etag}"</ETag>'
                f"<Size>{part.size}</Size></Part>"
                for number, part in sorted(self._upload(request).parts.items())
            )
            return _xml("ListPartsResult", f"<IsTruncated>false</IsTruncated>{parts}")
        found = self.objects.get(request.key)
        if found is None:
            raise Refusal(404, "NoSuchKey")
        sha256 = base64.b64encode(found.sha256).decode()
        headers = {
            "ETag": f'"{found.etag}"',
            "Last-Modified": _DATE,
            "x-amz-checksum-sha256": sha256,
            "Content-Length": str(found.size),
            **found.meta,
        }
        if request.method == "HEAD":
            return Answer(headers=headers)
        if found.body is None:
            raise Refusal(501, "NotImplemented")
        wanted = request.headers.get("range", "").removeprefix("bytes=")
        if not wanted:
            return Answer(headers=headers, body=found.body)
        first, _, last = wanted.partition("-")
        body = found.body[int(first) : int(last) + 1]
        span = f"bytes {first}-{int(first) + len(body) - 1}/{found.size}"
        headers |= {"Content-Range": span, "Content-Length": str(len(body))}
        return Answer(206, headers, body)

    def _of_bucket(self, request: Request) -> Answer:
        query = request.query
        if request.method == "POST" and "delete" in query:
            for part in request.body.decode().split("<Key>")[1:]:
                self.objects.pop(part.partition("</Key>")[0], None)
            return _xml("DeleteResult", "")
        if request.method in ("PUT", "HEAD"):
            return Answer()
        if "versioning" in query:
            return _xml("VersioningConfiguration", "")
        if "object-lock" in query:
            raise Refusal(404, "ObjectLockConfigurationNotFoundError")
        if "location" in query:
            return _xml("LocationConstraint", "")
        if "uploads" in query:
            return self._list_uploads(query.get("prefix", ""))
        return self._list(query.get("prefix", ""), query.get("delimiter", ""))

    def _list_uploads(self, prefix: str) -> Answer:
        told = "".join(
            f"<Upload><Key>{_escaped(upload.key)}</Key><UploadId>{number}</UploadId>"
            f"<Initiated>{_ISO}</Initiated></Upload>"
            for number, upload in self.uploads.items()
            if upload.key.startswith(prefix)
        )
        return _xml("ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{told}")

    def _list(self, prefix: str, delimiter: str) -> Answer:
        """All on one page, which is more than S3 gives."""
        there, above = [], set()
        for key, stored in sorted(self.objects.items()):
            if not key.startswith(prefix):
                continue
            behind = key[len(prefix) :]
            if delimiter and delimiter in behind:
                above.add(prefix + behind.partition(delimiter)[0] + delimiter)
                continue
            there.append(
                f"<Contents><Key>{quote(key)}</Key><LastModified>{_ISO}</LastModified>"
                f'<ETag>"{stored.etag}"</ETag><Size>{stored.size}</Size></Contents>'
            )
        told = "".join(there) + "".join(
            f"<CommonPrefixes><Prefix>{quote(one)}</Prefix></CommonPrefixes>"
            for one in sorted(above)
        )
        head = "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
        return _xml("ListBucketResult", f"{head}<KeyCount>{len(there)}</KeyCount>{told}")

    def _upload(self, request: Request) -> Upload:
        found = self.uploads.get(request.query["uploadId"])
        if found is None:
            raise Refusal(404, "NoSuchUpload")
        return found

    def _refuse_other(self, request: Request) -> None:
        if request.headers.get("if-none-match") == "*" and request.key in self.objects:
            raise Refusal(412, "PreconditionFailed")


async def _received(request: Request) -> Stored:
    """Hashes a body and compares it with what was declared for it."""
    body, headers = request.body, request.headers
    if "x-amz-copy-source" in headers:
        raise Refusal(501, "NotImplemented")
    if len(body) > _IN_THREAD_BYTES:
        md5, sha256 = await asyncio.to_thread(_digests, body)
    else:
        md5, sha256 = _digests(body)
    declared = headers.get("x-amz-content-sha256", "")
    is_wrong = len(declared) == 64 and declared != sha256.hex()
    for name, digest in (("x-amz-checksum-sha256", sha256), ("content-md5", md5)):
        is_wrong |= name in headers and headers[name] != base64.b64encode(digest).decode()
    if is_wrong:
        raise Refusal(400, "BadDigest")
    kept = body if len(body) <= KEPT_BYTES else None
    return Stored(len(body), md5, sha256, _meta(request), kept, md5.hex())


def _digests(body: bytes) -> tuple[bytes, bytes]:
    return hashlib.md5(body, usedforsecurity=False).digest(), hashlib.sha256(body).digest()


def _meta(request: Request) -> dict[str, str]:
    return {
        name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _xml(name: str, inside: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name} {_NS}>{inside}</{name}>'.encode()
    return Answer(headers={"Content-Type": "application/xml"}, body=body)


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of a connection; None at its end."""
    with suppress(asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        parts = urlsplit(target)
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(method, key, query, headers, body)
    return None


async def serve_connection(
    store: Store, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answers one request after the other."""
    with suppress(OSError):
        while (request := await _request(reader, writer)) is not None:
            try:
                answer = await store.answer(request)
            except Refusal as err:
                answer = _xml("Error", f"<Code>{err.code}</Code><Message>{err.code}</Message>")
                answer = answer._replace(status=err.status)
            headers = {"Content-Length": str(len(answer.body)), **answer.headers}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"HTTP/1.1 {answer.status} -\r\n{lines}\r\n".encode())
            if request.method != "HEAD":
                writer.write(answer.body)
            await writer.drain()
    writer.close()


async def main() -> None:
    """Serves until the process ends."""
    store = Store()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(store, reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=256, limit=2 * 1024**2)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
