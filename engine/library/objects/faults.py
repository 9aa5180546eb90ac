"""What an object store or the way to it says, as a decision: retry, wait, stop, or alarm.

No text of a server or of a library of theirs is passed on as it is: a message is made here, of
the code of the error and of names that are ours, so that no token or signature can be in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.model.errors import (
    AuxError,
    DestinationFull,
    DestinationRefused,
    DestinationWrite,
    LibraryOffline,
    LibraryRefused,
    SourceCorrupt,
    SourceMissing,
    SourceRead,
)
from engine.model.names import shown


class Kind(StrEnum):
    """What an error means for whoever called."""

    CONFIG = "config"
    """Wrong address, region or clock: nothing works until somebody mends it."""
    AUTH = "auth"
    NETWORK = "network"
    """No answer, or none that can be used: again later."""
    FULL = "full"
    MISSING = "missing"
    EXISTS = "exists"
    """A condition did not hold: it is there already."""
    CONFLICT = "conflict"
    """Another writer was at it in the same moment: again."""
    CORRUPT = "corrupt"
    """What arrived is not what was sent."""
    REFUSED = "refused"
    """The store does not know or allow this request."""


_OF_LIBRARY = frozenset({Kind.CONFIG, Kind.AUTH, Kind.NETWORK})
_CLOCKS = frozenset(
    {"RequestTimeTooSkewed", "RequestExpired"}
)  # set right by NTP, soon after a start
_FOR_GOOD = frozenset({Kind.CONFIG, Kind.AUTH, Kind.REFUSED})
RETRIED = frozenset({Kind.NETWORK, Kind.CONFLICT, Kind.CORRUPT})

_KINDS = {
    Kind.CONFIG: (
        "NoSuchBucket PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed "
        "IllegalLocationConstraintException InvalidBucketName RequestTimeTooSkewed "
        "RequestExpired 301 307"
    ),
    Kind.AUTH: (
        "AccessDenied InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken "
        "TokenRefreshRequired AccountProblem AllAccessDisabled NotSignedUp InvalidSecurity "
        "UnauthorizedAccess Unauthorized Forbidden InvalidClientTokenId 401 403"
    ),
    Kind.NETWORK: (
        "SlowDown ServiceUnavailable InternalError RequestTimeout RequestTimeoutException "
        "Throttling ThrottlingException TooManyRequests TooManyRequestsException Busy "
        "RequestLimitExceeded BandwidthLimitExceeded OperationAborted XMinioServerNotInitialized "
        "IncompleteBody 408 429 500 502 503 504"
    ),
    Kind.FULL: (
        "QuotaExceeded XMinioStorageFull XMinioAdminBucketQuotaExceeded StorageFull "
        "InsufficientStorage InsufficientCapacity ServiceQuotaExceededException 507"
    ),
    Kind.MISSING: "NoSuchKey NoSuchUpload NoSuchVersion NotFound 404",
    Kind.EXISTS: "PreconditionFailed 412",
    Kind.CONFLICT: "ConditionalRequestConflict 409",
    Kind.REFUSED: "NotImplemented 501",
    Kind.CORRUPT: (
        "BadDigest InvalidDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch "
        "InvalidPart ChecksumMismatch"
    ),
}
KIND_OF = {code: kind for kind, codes in _KINDS.items() for code in codes.split()}

_TEXTS = {
    "NoSuchBucket": ("there is no such bucket", "make the bucket, or correct the URL"),
    "RequestTimeTooSkewed": (
        "the clock of this host differs too much from that of the server",
        "set the clock of this host (timedatectl, chrony)",
    ),
    "PermanentRedirect": ("the bucket is in another region", "name it: region=… in the URL"),
    "AuthorizationHeaderMalformed": (
        "the bucket is in another region",
        "name it: region=… in the URL",
    ),
    "InvalidAccessKeyId": ("the access key is not known there", "correct the credentials"),
    "SignatureDoesNotMatch": (
        "the secret key is wrong",
        "correct the credentials; where others went there with them, the server misreads this name",
    ),
    "ExpiredToken": ("the credentials have expired", "renew them"),
    "AccessDenied": (
        "access denied",
        "allow these credentials to list, read, write and delete below the prefix",
    ),
    "SlowDown": ("the server is overloaded and asks to slow down", "it goes on by itself later"),
    "NotImplemented": (
        "the server has not implemented what it was asked for",
        "a newer version of it may have; else use another server",
    ),
    "BadDigest": (
        "what arrived there is not what was sent",
        "the way there damages data: look at network and server",
    ),
}
_KIND_TEXTS = {
    Kind.CONFIG: ("the address is wrong", "correct the URL of the library"),
    Kind.AUTH: ("access denied", "correct the credentials, or what they are allowed to do"),
    Kind.NETWORK: ("the server cannot answer", "it goes on by itself when it can"),
    Kind.FULL: ("no space left, or over quota", "make room there; the copy then goes on"),
    Kind.MISSING: ("it is not there", ""),
    Kind.EXISTS: ("it is there already, or changed", ""),
    Kind.CONFLICT: ("another writer is at it", "two services use this library: stop one"),
    Kind.CORRUPT: _TEXTS["BadDigest"],
    Kind.REFUSED: ("the server refused the request", "look at the log of the server"),
}


@dataclass
class StoreFault(Exception):
    """A request that failed; never leaves this package.

    Args:
        kind: what it means.
        text: why, in a few words.
        hint: what to do.
        code: what the server said; empty when it said nothing.
        is_silence: it took the request, or the connection, and nothing came for as long as is waited.
    """

    kind: Kind
    text: str = ""
    hint: str = ""
    code: str = ""
    is_silence: bool = False

    def __post_init__(self) -> None:
        text, hint = _TEXTS.get(self.code, _KIND_TEXTS[self.kind])
        self.text, self.hint = self.text or text, self.hint or hint
        super().__init__(self.kind, self.text, self.code)


def fault_of_response(response: dict[str, Any]) -> StoreFault:
    """The fault in the parsed answer of a server."""
    error = response.get("Error", {})
    status = str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    code = str(error.get("Code", "")) or status
    kind = KIND_OF.get(code) or KIND_OF.get(status)
    if kind is None:
        kind = Kind.NETWORK if status.startswith("5") else Kind.REFUSED
    said = "" if code in _TEXTS or not code else f" ({shown(code[:60])})"
    text = _TEXTS.get(code, _KIND_TEXTS[kind])[0]
    return StoreFault(kind, text=text + said, code=code)


def offline_fault(fault: StoreFault, message: str) -> LibraryOffline:
    """The error for a request that failed since the library as a whole cannot be used.

    Args:
        fault: what the store said.
        message: the message of the error.
    """
    passes = fault.kind not in _FOR_GOOD or fault.code in _CLOCKS
    return (LibraryOffline if passes else LibraryRefused)(message, hint=fault.hint)


def destination_fault(fault: StoreFault, doing: str, where: bytes | str) -> AuxError:
    """The error for a failed request on the side that is written."""
    message = f"cannot {doing} {shown(where)}: {fault.text}"
    if fault.kind is Kind.FULL:
        return DestinationFull(message, hint=fault.hint)
    if fault.kind in _OF_LIBRARY:
        return offline_fault(fault, message)
    kind = DestinationRefused if fault.kind is Kind.REFUSED else DestinationWrite
    return kind(message, hint=fault.hint)


def source_fault(fault: StoreFault, doing: str, where: bytes | str) -> AuxError:
    """The error for a failed request on the side that is read."""
    message = f"cannot {doing} {shown(where)}: {fault.text}"
    if fault.kind in _OF_LIBRARY:
        return offline_fault(fault, message)
    if fault.kind is Kind.CORRUPT:
        return SourceCorrupt(message, hint=fault.hint)
    kind = SourceMissing if fault.kind is Kind.MISSING else SourceRead
    return kind(message, hint=fault.hint)


@contextmanager
def on_destination(doing: str, where: bytes | str) -> Iterator[None]:
    """Raises every `StoreFault` of the block as `destination_fault`."""
    try:
        yield
    except StoreFault as err:
        raise destination_fault(err, doing, where) from err


@contextmanager
def on_source(doing: str, where: bytes | str) -> Iterator[None]:
    """Raises every `StoreFault` of the block as `source_fault`."""
    try:
        yield
    except StoreFault as err:
        raise source_fault(err, doing, where) from err
