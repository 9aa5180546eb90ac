"""The URL of a library over SFTP: `sftp://user@host:port/path?key=FILE&known_hosts=FILE&...`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from engine.model.errors import UsageError
from engine.model.names import shown

DEFAULT_PORT = 22
HINT = "e.g. sftp://backup@store2/srv/auxtui?key=/etc/auxtui/id_ed25519"
_OPTIONS = ("key", "known_hosts", "config", "jump", "connections", "exec")
_HOME = b"/~"
_MOST_CONNECTIONS = 4
_JUMP = re.compile(r"(?:[^@/\s]+@)?[^@/:\s]+(?::[0-9]{1,5})?")
_NAME = re.compile(r"[^\s/@:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpAddress:
    """Where a library lies, and how to get there."""

    host: str
    port: int | None
    """None: 22, or what the configuration file says."""
    user: str | None
    path: bytes
    """Absolute, or relative to where the server puts a login (`/~/...` in the URL)."""
    key: str | None
    """File of a private key; None: the agent, then the usual files."""
    known_hosts: str | None
    """File of host keys; None: `~/.ssh/known_hosts`."""
    config: str | None
    """File to read as OpenSSH's client does; None: none is read."""
    jump: tuple[str, ...]
    """Hosts to go through, `user@host:port` each, the first one first."""
    most_connections: int
    """Upper bound; fewer are opened on a quick line."""
    may_execute: bool
    """Whether digests may be computed there by a command."""

    @property
    def label(self) -> str:
        """Host and port, for messages."""
        return label_of(self.host, self.port)


def label_of(host: str, port: int | None) -> str:
    """A host and its port, for messages; an address of IPv6 in brackets where a port follows."""
    if port in (None, DEFAULT_PORT):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(name: str, url: str) -> SftpAddress:
    """Reads the URL of a library; touches nothing.

    Args:
        name: of the library, for messages.
        url: with the scheme `sftp`.

    Raises:
        UsageError: it says something that cannot be done.
    """

    def refuse(why: str) -> UsageError:
        return UsageError(f"library {name}: {why}", hint=HINT)

    try:
        parts = urlsplit(url)
        port = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as err:
        raise refuse(f"{shown(url)} is not a URL: {err}") from err
    if parts.password is not None:
        raise refuse("a password must not stand here: use a key file (?key=FILE) or an ssh agent")
    if not parts.hostname:
        raise refuse("its URL names no host")
    if parts.fragment:
        raise refuse("its URL has a #: write it as %23")
    known: dict[str, str] = {}
    for option, value in options:
        if option not in _OPTIONS:
            raise refuse(f"{shown(option)!r} is no option; there are {', '.join(_OPTIONS)}")
        if option in known:
            raise refuse(f"the option {option} is there twice")
        if not value or any(ord(char) < ord(" ") for char in value):
            raise refuse(f"the option {option} says nothing that can be used")
        known[option] = value
    for option in ("key", "known_hosts", "config"):
        if option in known and not known[option].startswith(("/", "~/")):
            raise refuse(f"{option} must be an absolute path of this host, or begin with ~/")
    jump = tuple(known["jump"].split(",")) if "jump" in known else ()
    for each in jump:
        if not _JUMP.fullmatch(each):
            raise refuse(f"jump says {shown(each)!r}, which is not user@host:port")
    if parts.username is not None and not _NAME.fullmatch(parts.username):
        raise refuse("its user is not one word")
    if known.get("exec", "yes") not in ("yes", "no"):
        raise refuse("exec is yes or no")
    return SftpAddress(
        host=parts.hostname,
        port=port,
        user=parts.username,
        path=_path(parts.path, refuse),
        key=known.get("key"),
        known_hosts=known.get("known_hosts"),
        config=known.get("config"),
        jump=jump,
        most_connections=_connections(known.get("connections"), refuse),
        may_execute=known.get("exec", "yes") == "yes",
    )


def _path(text: str, refuse: Callable[[str], UsageError]) -> bytes:
    path = unquote_to_bytes(text)
    if not path.strip(b"/") or b"\0" in path:
        raise refuse("its URL names no directory")
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise refuse("its path has a .. in it")
    if path.startswith(_HOME + b"/"):
        if len(parts) == 1:
            raise refuse("its URL names no directory")
        return b"/".join(parts[1:])
    return b"/" + b"/".join(parts)


def _connections(text: str | None, refuse: Callable[[str], UsageError]) -> int:
    if text is None:
        return _MOST_CONNECTIONS
    if text not in map(str, range(1, _MOST_CONNECTIONS + 1)):
        raise refuse(f"connections is a number from 1 to {_MOST_CONNECTIONS}")
    return int(text)
