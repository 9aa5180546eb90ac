"""The URL of an object-store library: `s3://bucket/prefix?endpoint=URL&profile=NAME…`. Pure.

A URL names where credentials are, never the credentials: it is shown, logged and exported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.model.errors import UsageError
from engine.model.names import shown

EXAMPLE = "s3://bucket/prefix?endpoint=https://host:9000&profile=NAME"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_COMPONENT = re.compile(r"[A-Za-z0-9!_.*'()= -]+")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_MAX_PREFIX_BYTES = 300  # what is left of the 1,024 of a key must hold policy, copy and a digest
_OPTIONS = ("endpoint", "profile", "region", "credentials", "path_style", "object_lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Address:
    """Where an object-store library lies, and as whom it is reached."""

    bucket: str
    prefix: str = ""
    """Without slashes at its ends; empty: the whole bucket."""
    endpoint: str = ""
    """Empty: Amazon."""
    profile: str = ""
    """Of the AWS configuration, or the section of `credentials`."""
    region: str = ""
    credentials: str = ""
    """Absolute path of a file with mode 0600; empty: environment, profile, instance role."""
    path_style: bool = False
    """The bucket is in the path of a request, not in its host name."""
    object_lock: str = ""
    """`governance` or `compliance`: how the objects of WORM copies are locked; empty: they are not."""

    @property
    def root(self) -> str:
        """For messages: bucket and prefix."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, *parts: str) -> str:
        """The key of something below the prefix."""
        return "/".join([self.prefix, *parts] if self.prefix else parts)


def parse_address(name: str, url: str) -> S3Address:
    """Parses the URL of a library.

    Args:
        name: of the library, for messages.

    Raises:
        UsageError: it cannot be understood, or has credentials in it.
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, strict_parsing=bool(parts.query), keep_blank_values=True)
    except ValueError as err:
        raise _refused(name, f"{shown(url)} is not a URL ({err})") from err
    if "@" in parts.netloc:
        raise _refused(
            name,
            "its URL has a user or a secret in it, and URLs are shown and exported",
            "name a profile or a credentials file with mode 0600 instead",
        )
    if parts.fragment:
        raise _refused(name, "its URL has a # in it")
    if not _BUCKET.fullmatch(parts.netloc):
        raise _refused(name, f"{shown(parts.netloc)!r} is not the name of a bucket")
    known = _options(name, options)
    endpoint = _endpoint(name, known.get("endpoint", ""))
    return S3Address(
        bucket=parts.netloc,
        prefix=_prefix(name, unquote(parts.path)),
        endpoint=endpoint,
        profile=_printable(name, "profile", known.get("profile", "")),
        region=_region(name, known.get("region", "")),
        credentials=_file(name, known.get("credentials", "")),
        object_lock=_lock(name, known.get("object_lock", "")),
        path_style=_flag(name, known.get("path_style", ""), default=bool(endpoint)),
    )


def _options(name: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    known: dict[str, str] = {}
    for key, value in pairs:
        if key not in _OPTIONS:
            raise _refused(
                name, f"its URL has the unknown option {shown(key)!r}", f"known: {_OPTIONS_TEXT}"
            )
        if key in known or not value:
            raise _refused(name, f"the option {key} of its URL is empty or there twice")
        known[key] = value
    return known


def _prefix(name: str, path: str) -> str:
    prefix = path.strip("/")
    if not prefix:
        return ""
    for part in prefix.split("/"):
        if part in ("", ".", "..") or not _COMPONENT.fullmatch(part):
            raise _refused(
                name,
                f"{shown(prefix)!r} cannot be a prefix",
                "letters, digits and - _ . ! * ' ( ) = between single slashes",
            )
    if len(prefix) > _MAX_PREFIX_BYTES:
        raise _refused(name, f"its prefix has more than {_MAX_PREFIX_BYTES} bytes")
    return prefix


def _endpoint(name: str, text: str) -> str:
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as err:
        raise _refused(name, f"its endpoint {shown(text)} is not a URL ({err})") from err
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment
    if "@" in parts.netloc:
        raise _refused(name, "its endpoint has a user or a secret in it, and URLs are shown")
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise _refused(
            name,
            f"its endpoint {shown(text)} is not an address of a server",
            "http:// or https://, a host and perhaps a port",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"


def _region(name: str, text: str) -> str:
    if text and not _REGION.fullmatch(text):
        raise _refused(name, f"{shown(text)!r} is not the name of a region")
    return text


def _file(name: str, text: str) -> str:
    if text and (not text.startswith("/") or not text.isprintable()):
        raise _refused(name, f"its credentials file {shown(text)} is not an absolute path")
    return text


def _printable(name: str, option: str, text: str) -> str:
    if not text.isprintable():
        raise _refused(name, f"{shown(text)!r} cannot be its {option}")
    return text


def _flag(name: str, text: str, *, default: bool) -> bool:
    if not text:
        return default
    if text not in ("true", "false"):
        raise _refused(name, f"its path_style is {shown(text)!r}", "true or false")
    return text == "true"


def _lock(name: str, text: str) -> str:
    if text not in ("", "governance", "compliance"):
        raise _refused(name, f"its object_lock is {shown(text)!r}", "governance or compliance")
    return text


def _refused(name: str, why: str, hint: str = f"e.g. {EXAMPLE}") -> UsageError:
    return UsageError(f"library {name}: {why}", hint=hint)


_OPTIONS_TEXT = ", ".join(_OPTIONS)
