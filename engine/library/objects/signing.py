"""Signs requests with the SHA-256 that is declared for their body: it is not hashed twice.

`Signer` signs what is made by hand, `DeclaredPayloadAuth` what botocore makes.

Every body goes out with its SHA-256 as `x-amz-checksum-sha256`. The signature covers the same
digest as `x-amz-content-sha256`, so that a server that knows no checksums verifies it nevertheless.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any, NamedTuple

import botocore.auth

DECLARED_PAYLOAD = "auxtui-s3v4"
_ALGORITHM = "AWS4-HMAC-SHA256"


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


class DeclaredPayloadAuth(botocore.auth.S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Signature version 4 of S3 for bodies whose digest is in their headers."""

    def payload(self, request: Any) -> str:
        """Hex SHA-256 of the body."""
        declared = request.headers.get("x-amz-checksum-sha256")
        if declared and request.method == "PUT":
            return base64.b64decode(declared).hex()
        return str(super().payload(request))


def sign_what_is_declared(client: Any) -> None:
    """Makes a client sign this way; botocore has a table of signers and no other way in."""
    botocore.auth.AUTH_TYPE_MAPS[DECLARED_PAYLOAD] = DeclaredPayloadAuth
    client.meta.events.register_first("choose-signer.s3", _choose)


def _choose(signature_version: Any, **_: Any) -> str | None:
    return DECLARED_PAYLOAD if signature_version in ("s3v4", "v4") else None
