"""Puts bytes into a store, and proves that they arrived. On the loop of the store."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.library.objects.bodies import Body, size_of
from engine.library.objects.capabilities import Capabilities
from engine.library.objects.faults import Kind, StoreFault
from engine.library.objects.store import Store


class Digests(NamedTuple):
    """Of the bytes of a part or an object."""

    sha256: bytes
    md5: bytes
    """Empty where nobody needs it."""


class Sent(NamedTuple):
    """A part or an object that arrived."""

    etag: str
    sha256: str
    """Base64; empty when it is not known."""
    size: int


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends to one store.

    Args:
        store: where.
        caps: what it can do.
    """

    store: Store
    caps: Capabilities

    async def put(
        self,
        key: str,
        body: Body,
        digests: Digests,
        *,
        may_replace: Callable[[], Any],
        **more: Any,
    ) -> Sent:
        """Puts an object; one that is there already with the same content is left.

        Args:
            may_replace: awaited before something else that is there is overwritten; raises when
                it must stay.
            more: parameters of the request.

        Raises:
            StoreFault: it failed.
        """
        size = size_of(body)
        only_new: dict[str, Any] = {"IfNoneMatch": "*"} if self.caps.conditional_put else {}
        try:
            return await self._put(key, body, size, digests, {**only_new, **more})
        except StoreFault as fault:
            if fault.kind is not Kind.EXISTS:
                raise
        found = await self.store.call("head_object", Key=key, ChecksumMode="ENABLED")
        there = sent_of(found, int(found["ContentLength"]))
        if there.size == size and is_same(there, digests):
            return there
        await may_replace()
        return await self._put(key, body, size, digests, more)

    async def put_part(
        self, key: str, upload: str, number: int, body: io.BytesIO, digests: Digests
    ) -> Sent:
        """Sends a part.

        Raises:
            StoreFault: it failed.
        """
        size = body.getbuffer().nbytes
        answer = await self.store.call(
            "upload_part",
            check=lambda answer: self._check(answer, digests),
            Key=key,
            UploadId=upload,
            PartNumber=number,
            Body=body,
            ContentLength=size,
            **self._declared(digests),
        )
        return self._sent(answer, digests, size)

    async def begin(self, key: str, **more: Any) -> str:
        """Begins a multipart upload; returns its id."""
        if self.caps.sha256 != "refused":
            more["ChecksumAlgorithm"] = "SHA256"
        answer = await self.store.call("create_multipart_upload", Key=key, **more)
        return str(answer["UploadId"])

    async def complete(
        self, key: str, upload: str, parts: Mapping[int, Sent], *, only_new: bool
    ) -> str:
        """Puts the parts together; returns the entity tag of the object.

        Raises:
            StoreFault: it failed; `EXISTS` when there is something and `only_new` was asked.
        """
        listed: list[dict[str, Any]] = []
        for number in sorted(parts):
            part: dict[str, Any] = {"PartNumber": number, "ETag": quoted(parts[number].etag)}
            if parts[number].sha256:
                part["ChecksumSHA256"] = parts[number].sha256
            listed.append(part)
        more: dict[str, Any] = {"IfNoneMatch": "*"} if only_new else {}
        try:
            answer = await self.store.call(
                "complete_multipart_upload",
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": listed},
                **more,
            )
        except StoreFault as fault:
            if fault.kind not in (Kind.MISSING, Kind.EXISTS):
                raise
            there = await self.completed(key, parts)  # by a request whose answer was lost
            if not there:
                raise
            return there
        if not self.caps.tags_anew:
            return plain(answer.get("ETag"))
        found = sent_of(await self.store.call("head_object", Key=key), 0)
        return found.etag

    async def completed(self, key: str, parts: Mapping[int, Sent]) -> str:
        """Entity tag of the object when it is there and made of these parts; else empty."""
        try:
            found = await self.store.call("head_object", Key=key, ChecksumMode="ENABLED")
        except StoreFault as fault:
            if fault.kind is Kind.MISSING:
                return ""
            raise
        ordered = [parts[number] for number in sorted(parts)]
        there = sent_of(found, int(found["ContentLength"]))
        if there.size != sum(part.size for part in ordered):
            return ""
        if there.etag == composite_md5(ordered) or there.sha256 == composite_sha256(ordered):
            return there.etag
        return ""

    async def keeps(self, key: str, parts: Mapping[int, Sent], *, is_whole: bool) -> bool:
        """Whether the object states the SHA-256 of these parts, each verified when it arrived.

        Raises:
            StoreFault: it cannot be asked, or is not there.
        """
        found = await self.store.call("head_object", Key=key, ChecksumMode="ENABLED")
        there = sent_of(found, int(found["ContentLength"]))
        ordered = [parts[number] for number in sorted(parts)]
        stated = ordered[0].sha256 if is_whole else composite_sha256(ordered)
        is_stated = _without_count(there.sha256) == _without_count(stated) != ""
        return is_stated and there.size == sum(part.size for part in ordered)

    async def _put(
        self, key: str, body: Body, size: int, digests: Digests, more: dict[str, Any]
    ) -> Sent:
        if "ObjectLockMode" in more and self.caps.sha256 != "refused":
            more = {**more, "ChecksumAlgorithm": "SHA256"}  # a lock is refused without its name
        answer = await self.store.call(
            "put_object",
            check=lambda answer: self._check(answer, digests),
            Key=key,
            Body=body,
            ContentLength=size,
            **self._declared(digests),
            **more,
        )
        return self._sent(answer, digests, size)

    def _sent(self, answer: Mapping[str, Any], digests: Digests, size: int) -> Sent:
        """What arrived; a store that verifies a checksum has it, whether it repeats it or not."""
        sent = sent_of(answer, size)
        if self.caps.sha256 == "verified":
            sent = sent._replace(sha256=b64(digests.sha256))
        return sent

    def _declared(self, digests: Digests) -> dict[str, Any]:
        declared: dict[str, Any] = {}
        if self.caps.sha256 != "refused":
            declared["ChecksumSHA256"] = b64(digests.sha256)
        if digests.md5 and self.caps.md5:
            declared["ContentMD5"] = b64(digests.md5)
        return declared

    def _check(self, answer: Mapping[str, Any], digests: Digests) -> None:
        """Compares what the server says it received."""
        received = answer.get("ChecksumSHA256")
        is_wrong = bool(received) and received != b64(digests.sha256)
        if digests.md5 and self.caps.etag_is_md5:
            is_wrong |= plain(answer.get("ETag")) != digests.md5.hex()
        if is_wrong:
            raise StoreFault(Kind.CORRUPT)


def digests_of(data: memoryview, *, with_md5: bool) -> Digests:
    """Hashes; blocking, without the interpreter's lock for all but small data."""
    md5 = hashlib.md5(data, usedforsecurity=False).digest() if with_md5 else b""
    return Digests(hashlib.sha256(data).digest(), md5)


def sent_of(answer: Mapping[str, Any], size: int) -> Sent:
    """What an answer about a part or an object says of it."""
    return Sent(plain(answer.get("ETag")), str(answer.get("ChecksumSHA256") or ""), size)


def is_same(there: Sent, digests: Digests) -> bool:
    """True when what lies there is proved to be what has these digests."""
    if there.sha256:
        return there.sha256 == b64(digests.sha256)
    return bool(digests.md5) and there.etag == digests.md5.hex()


def composite_md5(parts: Sequence[Sent]) -> str:
    """The entity tag of an object made of parts, where those of the parts are their MD5."""
    try:
        joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:
        return ""
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


def composite_sha256(parts: Sequence[Sent]) -> str:
    """The checksum of an object made of parts, where the store keeps SHA-256.

    Where a part has none, it is what no object has.
    """
    if not all(part.sha256 for part in parts):
        return "unknown"
    joined = b"".join(base64.b64decode(part.sha256) for part in parts)
    return f"{b64(hashlib.sha256(joined).digest())}-{len(parts)}"


def _without_count(checksum: str) -> str:
    """A checksum without the number of parts behind it, which not every server says."""
    return checksum.partition("-")[0]


def plain(etag: object) -> str:
    """An entity tag without its quotes."""
    return str(etag or "").strip('"')


def quoted(etag: str) -> str:
    """The inverse of `plain`."""
    return f'"{etag}"'


def b64(digest: bytes) -> str:
    """A digest as it stands in a header."""
    return base64.b64encode(digest).decode("ascii")
