"""Signs requests with the SHA-256 that is declared for their body: it is not hashed twice.

Every body goes out with its SHA-256 as `x-amz-checksum-sha256`. The signature covers the same
digest as `x-amz-content-sha256`, so that a server that knows no checksums verifies it nevertheless.
"""

from __future__ import annotations

import base64
from typing import Any

import botocore.auth

DECLARED_PAYLOAD = "auxtui-s3v4"


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
