"""What a store keeps of its protocol, found out once by trying, and remembered.

Many servers accept a condition or a checksum and ignore it. What is ignored is said in the state
of the library, and done without: by looking first, or by comparing what the server has received.
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from engine.library.objects.faults import Kind, StoreFault
from engine.library.objects.keys import PROBE
from engine.library.objects.store import Store
from engine.model.names import shown

Checking = Literal["verified", "ignored", "refused"]

_BODY = b"auxtui finds out what this store can do\n"
_OTHER = b"auxtui finds out what this store can't do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store does with what it is asked; the safest answer is the default."""

    conditional_put: bool = False
    """If-None-Match on a put: never in place of what is there."""
    conditional_complete: bool = False
    """The same at the end of a multipart upload."""
    sha256: Checking = "ignored"
    """What becomes of a body with a wrong SHA-256."""
    md5: bool = False
    """A body with a wrong Content-MD5 is refused."""
    etag_is_md5: bool = False
    """The entity tag of an object that was put at once is its MD5: what the server received."""
    tags_anew: bool = False
    """An object made of parts has another entity tag than the end of its upload answers."""
    tells_parts: bool = False
    """Which parts of an upload have arrived can be asked."""
    versioned: bool = False
    object_lock: bool = False

    @property
    def needs_md5(self) -> bool:
        """True where MD5 is the only proof of what arrived."""
        return self.sha256 != "verified" and (self.md5 or self.etag_is_md5)

    def offers(self) -> tuple[str, ...]:
        """One word each."""
        words = {
            "conditional-put": self.conditional_put,
            "conditional-complete": self.conditional_complete,
            "sha256": self.sha256 == "verified",
            "md5": self.md5,
            "etag-md5": self.etag_is_md5,
            "versions": self.versioned,
            "object-lock": self.object_lock,
        }
        return tuple(word for word, is_there in words.items() if is_there)

    def lacks(self) -> tuple[str, ...]:
        """What is missing and what follows; one sentence each."""
        lines = []
        if not self.conditional_put:
            lines.append(
                "the server ignores If-None-Match: auxtui looks before it publishes, and two "
                "services that publish in the same moment are not told apart"
            )
        if self.sha256 != "verified" and self.needs_md5:
            lines.append(
                "the server does not verify SHA-256 checksums: what arrived is proved by MD5"
            )
        elif self.sha256 != "verified":
            lines.append(
                'the server verifies no checksum: verify copies there (verify = "at-write")'
            )
        if not self.tells_parts:
            lines.append(
                "the server does not tell which parts of a file have arrived: a file that a break "
                "cuts off is sent anew"
            )
        return tuple(lines)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def capabilities_from(document: object) -> Capabilities | None:
    """The inverse of `document`; None for what is of another version."""
    names = {field.name for field in fields(Capabilities)}
    if not isinstance(document, dict) or document.keys() != names:
        return None
    flags = {name: value for name, value in document.items() if name != "sha256"}
    if document["sha256"] not in ("verified", "ignored", "refused"):
        return None
    if not all(isinstance(value, bool) for value in flags.values()):
        return None
    return Capabilities(**document)


async def find_out(store: Store) -> Capabilities:
    """Tries it out below the prefix; leaves nothing there.

    Raises:
        StoreFault: the store cannot be used at all.
    """
    key = store.address.key(PROBE, secrets.token_hex(8))
    try:
        answer = await store.call("put_object", Key=key, Body=io.BytesIO(_BODY))
        md5 = hashlib.md5(_BODY, usedforsecurity=False).hexdigest()
        upload = await _upload(store, key)
        tells_parts = await _tells_parts(store, key, upload)
        made = await _made_of_parts(store, key, upload)
        tags_anew = bool(made) and await _tag_of(store, key) != made
        return Capabilities(
            conditional_put=not await _accepts(store, key, IfNoneMatch="*"),
            conditional_complete=made is None,
            tags_anew=tags_anew,
            tells_parts=tells_parts,
            sha256=await _sha256(store, key),
            md5=not await _accepts(store, key, ContentMD5=_b64(hashlib.md5, _OTHER)),
            etag_is_md5=str(answer.get("ETag", "")).strip('"') == md5,
            versioned=await _is_versioned(store),
            object_lock=await has_object_lock(store),
        )
    finally:
        with suppress(StoreFault):
            await store.call("delete_object", Key=key, tries=1)


async def _accepts(store: Store, key: str, **wrong: Any) -> bool:
    """True when a put that should be refused goes through."""
    try:
        await store.call("put_object", Key=key, Body=io.BytesIO(_BODY), tries=1, **wrong)
    except StoreFault as fault:
        if fault.kind in (Kind.NETWORK, Kind.AUTH, Kind.CONFIG, Kind.FULL):
            raise
        return fault.code in ("NotImplemented", "501")
    return True


async def _sha256(store: Store, key: str) -> Checking:
    right: dict[str, Any] = {"ChecksumSHA256": _b64(hashlib.sha256, _BODY)}
    try:
        await store.call("put_object", Key=key, Body=io.BytesIO(_BODY), tries=1, **right)
    except StoreFault as fault:
        if fault.kind is not Kind.REFUSED:
            raise
        return "refused"
    wrong = {"ChecksumSHA256": _b64(hashlib.sha256, _OTHER)}
    return "ignored" if await _accepts(store, key, **wrong) else "verified"


async def _tag_of(store: Store, key: str) -> str:
    return str((await store.call("head_object", Key=key)).get("ETag", ""))


async def _upload(store: Store, key: str) -> str:
    """Begins a multipart upload.

    Raises:
        StoreFault: the server knows of no such thing, or cannot be used at all.
    """
    try:
        return str((await store.call("create_multipart_upload", Key=key))["UploadId"])
    except StoreFault as fault:
        if fault.kind is not Kind.REFUSED:
            raise
        raise StoreFault(
            Kind.REFUSED,
            text=f"it takes no uploads in parts ({shown(fault.code[:60])})",
            hint="no large file can be put there: a newer version of the server may take them; else "
            "use another one",
            code=fault.code,
        ) from fault


async def _tells_parts(store: Store, key: str, upload: str) -> bool:
    try:
        await store.call("list_parts", Key=key, UploadId=upload)
    except StoreFault as fault:
        if fault.kind not in (Kind.REFUSED, Kind.MISSING):
            raise
        return False
    return True


async def _made_of_parts(store: Store, key: str, upload: str) -> str | None:
    """Entity tag of a multipart upload that took the place of an object in spite of a condition.

    None: it did not, as it should be; empty: the server refuses such uploads in another way.
    """
    try:
        part = await store.call(
            "upload_part", Key=key, UploadId=upload, PartNumber=1, Body=io.BytesIO(_BODY)
        )
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        done = await store.call(
            "complete_multipart_upload",
            Key=key,
            UploadId=upload,
            MultipartUpload=parts,
            IfNoneMatch="*",
            tries=1,
        )
    except StoreFault as fault:
        if fault.kind in (Kind.NETWORK, Kind.AUTH, Kind.CONFIG, Kind.FULL):
            raise
        with suppress(StoreFault):
            await store.call("abort_multipart_upload", Key=key, UploadId=upload, tries=1)
        return None if fault.kind is Kind.EXISTS else ""
    return str(done.get("ETag", ""))


async def _is_versioned(store: Store) -> bool:
    try:
        return (await store.call("get_bucket_versioning", tries=1)).get("Status") == "Enabled"
    except StoreFault:
        return False  # not known there, or not ours to ask


async def has_object_lock(store: Store) -> bool:
    try:
        answer = await store.call("get_object_lock_configuration", tries=1)
    except StoreFault:
        return False  # none, not known there, or not ours to ask
    found = answer.get("ObjectLockConfiguration", {})
    return bool(found.get("ObjectLockEnabled") == "Enabled")


def _b64(algorithm: Any, body: bytes) -> str:
    return base64.b64encode(algorithm(body, usedforsecurity=False).digest()).decode("ascii")
