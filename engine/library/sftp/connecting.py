"""Opens an SSH connection to the host of a library, and says in plain words why it cannot be."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
from typing import Any

from engine.library.sftp.address import DEFAULT_PORT, SftpAddress, label_of
from engine.library.sftp.ssh import asyncssh
from engine.library.sftp.trust import (
    OfferedKey,
    UntrustedKey,
    known_hosts,
    offered,
    refusal,
)
from engine.library.sftp.tuning import tune
from engine.model.errors import LibraryOffline, LibraryRefused
from engine.model.names import shown

CONNECT_S = 20.0
KEEPALIVE_S = 5.0
KEEPALIVE_COUNT = 3
# AES-GCM first: with the processors of today it costs a third less than chacha20.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
)
_HUNG_UP = (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionResetError)
_JUMP = re.compile(r"(?:(?P<user>[^@]+)@)?(?P<host>[^@:]+)(?::(?P<port>[0-9]+))?")


class _Client(asyncssh.SSHClient):
    """Keeps the key that was not trusted, for the message; takes its jump host down with it."""

    def __init__(self, address: SftpAddress, tunnel: asyncssh.SSHClientConnection | None) -> None:
        self._address = address
        self._tunnel = tunnel
        self.refused: OfferedKey | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """The host answers; nothing was said of the login yet."""
        tune(conn, has_key=bool(self._address.key))

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Asked only for a key that is not trusted."""
        self.refused = offered(self._address, host, addr, port, key)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        if self._tunnel is not None:
            self._tunnel.abort()


async def connect(name: str, address: SftpAddress) -> asyncssh.SSHClientConnection:
    """Opens a connection, through the jump hosts if there are any.

    Raises:
        HostKeyRefused: the host has a key that is not trusted.
        LibraryOffline: it cannot be reached, or refuses the login.
    """
    options = _options(name, address)
    tunnel: asyncssh.SSHClientConnection | None = None
    try:
        for text in address.jump:
            hop = _JUMP.fullmatch(text)
            if hop is None:
                raise LibraryRefused(f"library {name} is offline: the jump host is not one")
            tunnel = await _hop(
                name, address, options, hop["host"], _port(hop["port"]), hop["user"], tunnel
            )
        return await _hop(name, address, options, address.host, address.port, address.user, tunnel)
    except BaseException:
        if tunnel is not None:
            tunnel.abort()
        raise


async def look_at_key(name: str, address: SftpAddress) -> OfferedKey:
    """The first key on the way that is not trusted, or that of the host; nothing is trusted by this.

    Raises:
        LibraryOffline: it cannot be reached, or refuses the login.
    """
    try:
        connection = await connect(name, address)
    except UntrustedKey as err:
        return err.key
    try:
        key = connection.get_server_host_key()
        if key is None:
            raise LibraryOffline(f"{shown(address.label)} shows no host key")
        host, port = connection.get_extra_info("host"), connection.get_extra_info("port")
        return offered(address, str(host), "", int(port or DEFAULT_PORT), key)
    finally:
        connection.abort()


async def _hop(
    name: str,
    address: SftpAddress,
    options: dict[str, Any],
    host: str,
    port: int | None,
    user: str | None,
    tunnel: asyncssh.SSHClientConnection | None,
) -> asyncssh.SSHClientConnection:
    client = _Client(address, tunnel)
    more: dict[str, Any] = {"tunnel": tunnel} if tunnel is not None else {}
    if user is not None:
        more["username"] = user
    label = label_of(host, port)
    try:
        return await asyncssh.connect(
            host,
            port if port is not None else (),
            client_factory=lambda: client,
            known_hosts=known_hosts(address),
            **options,
            **more,
        )
    except asyncssh.PermissionDenied as err:
        how = f"the key {shown(address.key)}" if address.key else _usual_keys()
        raise LibraryRefused(
            f"library {name} is offline: {shown(label)} refused the login with {how}",
            hint="add the public key to authorized_keys of that account, or correct user and key "
            "in the URL",
        ) from err
    except (OSError, asyncssh.Error, ValueError) as err:
        refused = client.refused
        # A server without a key of the kind that is trusted says so, or just hangs up.
        if refused is None and isinstance(err, _HUNG_UP):
            refused = await _other_kind(address, host, port or DEFAULT_PORT, tunnel)
        if refused is not None:
            raise refusal(name, label, refused) from err
        raise _unreachable(name, label, err) from err


def _usual_keys() -> str:
    """What a login was tried with where the URL names no key."""
    if os.environ.get("SSH_AUTH_SOCK"):
        return "the keys of the agent and of ~/.ssh"
    return "the keys of ~/.ssh; the service has no agent (SSH_AUTH_SOCK is not set)"


async def _other_kind(
    address: SftpAddress, host: str, port: int, tunnel: asyncssh.SSHClientConnection | None
) -> OfferedKey | None:
    """The key of a host that has none of the kind that is trusted; None when that is not why."""
    more: dict[str, Any] = {"tunnel": tunnel} if tunnel is not None else {}
    try:
        async with asyncio.timeout(CONNECT_S):
            key = await asyncssh.get_server_host_key(host, port, config=None, **more)
    except (OSError, asyncssh.Error):
        return None
    found = offered(address, host, "", port, key) if key is not None else None
    return found if found is not None and found.is_changed else None


def _options(name: str, address: SftpAddress) -> dict[str, Any]:
    config = os.path.expanduser(address.config) if address.config else None
    if config is not None and not os.access(config, os.R_OK):
        raise LibraryRefused(
            f"library {name} is offline: {shown(config)} cannot be read",
            hint="correct ?config= in its URL",
        )
    options: dict[str, Any] = {
        "config": [config] if config else None,
        "encryption_algs": _CIPHERS,
        "compression_algs": None,
        "keepalive_interval": KEEPALIVE_S,
        "keepalive_count_max": KEEPALIVE_COUNT,
        "connect_timeout": CONNECT_S,
        "login_timeout": CONNECT_S,
        "password_auth": False,
        "kbdint_auth": False,
        "gss_auth": False,
        "gss_kex": False,
        "x509_trusted_certs": None,
    }
    if address.key:
        options |= {"client_keys": [_checked_key(name, address.key)], "agent_path": None}
    return options


def _checked_key(name: str, path: str) -> asyncssh.SSHKey:
    """A private key that nobody else can read.

    Raises:
        LibraryRefused: it is not there, others can read it, or it needs a passphrase.
    """
    path = os.path.expanduser(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as stream:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()):
                raise LibraryRefused(
                    f"library {name} is offline: the key {shown(path)} is not a file of this account",
                    hint="the key must be a regular file that belongs to the user of the service",
                )
            if stat.S_IMODE(found.st_mode) & 0o077:
                raise LibraryRefused(
                    f"library {name} is offline: the key {shown(path)} can be read by others",
                    hint=f"chmod 600 {shown(path)}; if others may have read it, make a new one",
                )
            return asyncssh.import_private_key(stream.read())
    except OSError as err:
        raise LibraryRefused(
            f"library {name} is offline: the key {shown(path)} cannot be read: "
            f"{(err.strerror or '').lower()}",
            hint="correct ?key= in its URL, or let the user of the service read it",
        ) from err
    except asyncssh.KeyImportError as err:
        raise LibraryRefused(  # not what the parser says: it could quote the file
            f"library {name} is offline: the key {shown(path)} cannot be used",
            hint="a key with a passphrase belongs into an ssh agent: leave ?key= out",
        ) from err


def _unreachable(name: str, label: str, err: Exception) -> LibraryOffline:
    """Says why a host cannot be used, without words of a library that nobody knows."""
    hint = "look at the host and the network between; the work goes on when it is back"
    kind = LibraryOffline
    match err:
        case socket.gaierror():
            why, hint = "its name is not known", "correct the host in the URL, or the name service"
        case TimeoutError():
            why = f"it did not answer within {CONNECT_S:.0f} seconds"
        case ConnectionRefusedError():
            why, hint = "it refuses connections", "start its SSH server, or correct the port"
        case asyncssh.ConnectionLost():
            why = "it closed the connection before the login"
        case asyncssh.KeyExchangeFailed():
            why = f"no agreement on ciphers or host keys: {err.reason}"
            kind, hint = LibraryRefused, "let its SSH server offer what OpenSSH offers today"
        case asyncssh.ChannelOpenError():
            why, hint = f"it opens no channel: {err.reason}", "let this account use SFTP there"
        case asyncssh.DisconnectError():
            why = f"it ended the connection: {err.reason}"
        case OSError():
            why = (err.strerror or str(err)).lower()
        case _:
            why = str(err)
    return kind(f"library {name} is offline: {shown(label)}: {shown(why)}", hint=hint)


def unreachable(name: str, address: SftpAddress, err: Exception) -> LibraryOffline:
    """The error for a host that broke off after the login."""
    return _unreachable(name, address.label, err)


def _port(text: str | None) -> int | None:
    return None if text is None else int(text)
