"""Where an alert goes: mail, a webhook, a program, a healthcheck; checked without reaching for it.

A URL never holds a secret: passwords, tokens and URLs that are secrets themselves stand in files
that only their owner can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from engine.model.errors import UsageError

SMTP_PORT, SMTPS_PORT = 25, 465
TLS_WORDS = ("none", "starttls", "implicit")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EXAMPLES = (
    "smtp://host:25/?to=someone@example.org, https://host/hook, healthcheck+https://host/ID, "
    "exec:/path/to/program, file:/path/of/a/secret/url"
)


class DestinationKind(StrEnum):
    """How an alert is delivered."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    HEALTHCHECK = "healthcheck"
    PROGRAM = "program"
    FILE = "file"
    """The URL is a secret: it stands in a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where an alert goes."""

    kind: DestinationKind
    host: str = ""
    port: int = 0
    url: str = ""
    """Of a webhook or a healthcheck."""
    recipients: tuple[str, ...] = ()
    sender: str = ""
    """Empty: auxtui@ and the name of this host."""
    tls: str = "none"
    user: str = ""
    path: str = ""
    """Of the program, or of the file with the URL."""
    arguments: tuple[str, ...] = ()
    password_file: str = ""
    token_file: str = ""
    ca_file: str = ""
    """Certificates that are trusted besides those of the host."""

    @property
    def label(self) -> str:
        """As it is shown: without what may be a secret."""
        match self.kind:
            case DestinationKind.MAIL:
                return f"mail to {', '.join(self.recipients)} by {self.host}:{self.port}"
            case DestinationKind.PROGRAM:
                return f"program {self.path}"
            case DestinationKind.FILE:
                return f"the URL in {self.path}"
            case _:
                return f"{self.kind} {urlsplit(self.url).hostname or ''}"


def destination_from(to: str, options: Mapping[str, Any]) -> Destination:
    """Understands where an alert goes.

    Args:
        to: the URL.
        options: the keys `from`, `user`, `password_file`, `token_file`, `ca_file`, `tls` and
            `arguments`.

    Raises:
        UsageError: it is no destination, or holds a secret.
    """
    try:
        parts = urlsplit(to)
        port = parts.port
    except ValueError as err:
        raise UsageError(f"not a URL: {err}") from err
    if parts.password is not None or parts.username is not None:
        raise UsageError(
            "a user or password must not stand here",
            hint='write user = "..." and password_file = "/path", a file with mode 0600',
        )
    match parts.scheme:
        case "smtp" | "smtps":
            return _mail(parts, port, options)
        case "https" | "http":
            return _web(DestinationKind.WEBHOOK, to, parts, options)
        case "healthcheck+https" | "healthcheck+http":
            url = to.removeprefix("healthcheck+")
            return _web(DestinationKind.HEALTHCHECK, url, urlsplit(url), options)
        case "exec":
            return _program(parts, options)
        case "file":
            return _secret_url(parts, options)
    raise UsageError("is no destination that is known", hint=_EXAMPLES)


def _mail(parts: SplitResult, port: int | None, options: Mapping[str, Any]) -> Destination:
    query = parse_qs(parts.query)
    recipients = tuple(
        address.strip() for value in query.get("to", []) for address in value.split(",")
    )
    if not parts.hostname:
        raise UsageError("names no host")
    if not all(recipients) or not recipients:
        raise UsageError("names no recipient", hint="smtp://host:25/?to=someone@example.org")
    implicit = parts.scheme == "smtps"
    tls = "implicit" if implicit else str(options.get("tls", "none"))
    user = str(options.get("user", ""))
    password_file = str(options.get("password_file", ""))
    if bool(user) != bool(password_file):
        raise UsageError("user and password_file go together", hint="give both, or none")
    if user and tls == "none" and parts.hostname not in _LOOPBACK:
        raise UsageError(
            "a password would go over an open line", hint='write tls = "starttls", or use smtps://'
        )
    for address in (*recipients, str(options.get("from", ""))):
        if any(ord(char) < 33 or ord(char) == 127 for char in address):
            raise UsageError(f"{address!r} is no address")
    return Destination(
        kind=DestinationKind.MAIL,
        host=parts.hostname,
        port=port or (SMTPS_PORT if tls == "implicit" else SMTP_PORT),
        recipients=recipients,
        sender=str(options.get("from", "")),
        tls=tls,
        user=user,
        password_file=password_file,
        ca_file=str(options.get("ca_file", "")),
    )


def _web(
    kind: DestinationKind, url: str, parts: SplitResult, options: Mapping[str, Any]
) -> Destination:
    if not parts.hostname:
        raise UsageError("names no host")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise UsageError("goes over an open line", hint="https, or http to this host itself")
    if any(ord(char) < 33 or ord(char) == 127 for char in url):
        raise UsageError("a URL holds no spaces or control characters")
    return Destination(
        kind=kind,
        host=parts.hostname,
        url=url,
        token_file=str(options.get("token_file", "")),
        ca_file=str(options.get("ca_file", "")),
    )


def _program(parts: SplitResult, options: Mapping[str, Any]) -> Destination:
    if parts.netloc or parts.query or parts.fragment or not parts.path.startswith("/"):
        raise UsageError(
            "needs the absolute path of a program",
            hint='exec:/path/to/program; what it is given: arguments = ["...", "..."]',
        )
    arguments = tuple(str(word) for word in options.get("arguments", ()))
    return Destination(kind=DestinationKind.PROGRAM, path=parts.path, arguments=arguments)


def _secret_url(parts: SplitResult, options: Mapping[str, Any]) -> Destination:
    if parts.netloc or parts.query or not parts.path.startswith("/"):
        raise UsageError("needs the absolute path of a file that holds the URL")
    return Destination(
        kind=DestinationKind.FILE,
        path=parts.path,
        token_file=str(options.get("token_file", "")),
        ca_file=str(options.get("ca_file", "")),
    )
