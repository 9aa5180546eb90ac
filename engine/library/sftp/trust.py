"""Which key a host may have: only one that somebody has confirmed, in a file of OpenSSH's form.

Nothing here trusts a key by itself. An unknown key and a changed one are told apart, with the
fingerprint, since a changed one may be somebody between us and the host.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from engine.library.sftp.address import DEFAULT_PORT, SftpAddress
from engine.library.sftp.ssh import asyncssh
from engine.model.errors import DestinationWrite, HostKeyRefused, LibraryRefused
from engine.model.names import shown

_DEFAULT_FILE = "~/.ssh/known_hosts"
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedKey:
    """A key that a host showed."""

    fingerprint: str
    """As OpenSSH prints it: `SHA256:...`."""
    algorithm: str
    line: str
    """For a file of known hosts."""
    is_trusted: bool
    is_changed: bool
    """Another key of this host is trusted."""
    file: str
    """Where it is trusted, or would be."""


class UntrustedKey(HostKeyRefused):
    """`HostKeyRefused` with what there is to know of the key."""

    def __init__(self, message: str, *, hint: str, key: OfferedKey) -> None:
        super().__init__(message, hint=hint, fingerprint=key.fingerprint, is_changed=key.is_changed)
        self.key = key

    def __reduce__(self) -> tuple[Any, ...]:
        return _untrusted, (self.message, self.hint, self.key)


def _untrusted(message: str, hint: str, key: OfferedKey) -> UntrustedKey:
    return UntrustedKey(message, hint=hint, key=key)


def known_hosts_file(address: SftpAddress) -> str:
    """The file of trusted keys of a library."""
    return os.path.expanduser(address.known_hosts or _DEFAULT_FILE)


def known_hosts(address: SftpAddress) -> asyncssh.SSHKnownHosts:
    """The trusted keys, read anew; none where there is no file.

    Raises:
        LibraryRefused: the file cannot be read or understood.
    """
    path = known_hosts_file(address)
    try:
        with open(path, encoding="utf-8") as stream:
            return asyncssh.import_known_hosts(stream.read())
    except FileNotFoundError:
        return asyncssh.import_known_hosts("")
    except (OSError, ValueError) as err:
        raise LibraryRefused(
            f"the host keys in {shown(path)} cannot be read: {err}",
            hint="let the user of the service read it, or mend the line",
        ) from err


def offered(
    address: SftpAddress, host: str, addr: str, port: int, key: asyncssh.SSHKey
) -> OfferedKey:
    """What is to be said of a key that a host showed."""
    trusted = trusted_keys(address, host, addr, port)
    line = f"{_pattern(host, port)} {key.export_public_key().decode('ascii').strip()}"
    return OfferedKey(
        fingerprint=key.get_fingerprint(),
        algorithm=key.get_algorithm(),
        line=" ".join(line.split()[:3]),
        is_trusted=key in trusted,
        is_changed=bool(trusted) and key not in trusted,
        file=known_hosts_file(address),
    )


def trusted_keys(address: SftpAddress, host: str, addr: str, port: int) -> list[asyncssh.SSHKey]:
    """The keys that this host may have."""
    return list(known_hosts(address).match(host, addr, port)[0])


def refusal(name: str, label: str, key: OfferedKey) -> UntrustedKey:
    """The error for a key that is not trusted.

    Args:
        name: of the library.
        label: of the host.
        key: what it showed.
    """
    if key.is_changed:
        return UntrustedKey(
            f"library {name} is offline: the host key of {shown(label)} has changed: it shows "
            f"{key.fingerprint} ({key.algorithm}), another one is trusted in {shown(key.file)}",
            hint="somebody may stand in between: compare it at the host itself (ssh-keygen -lf "
            "/etc/ssh/ssh_host_*_key.pub); only if it is right, remove the old line there and "
            f"run: auxtui library trust {name}",
            key=key,
        )
    return UntrustedKey(
        f"library {name} is offline: the host key of {shown(label)} is unknown: it shows "
        f"{key.fingerprint} ({key.algorithm}), none is trusted in {shown(key.file)}",
        hint="compare it at the host itself (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then "
        f"run: auxtui library trust {name}",
        key=key,
    )


def pin(key: OfferedKey) -> None:
    """Trusts a key from now on; it stands in the file, durable, on return.

    Raises:
        HostKeyRefused: another key of this host is trusted: that one is never replaced here.
        DestinationWrite: the file cannot be written.
    """
    if key.is_trusted:
        return
    if key.is_changed:
        raise HostKeyRefused(
            f"another key of this host is trusted in {shown(key.file)}: it is not replaced",
            hint="compare the new one at the host itself; only if it is right, remove the old line",
            fingerprint=key.fingerprint,
            is_changed=True,
        )
    try:
        os.makedirs(os.path.dirname(key.file), 0o700, exist_ok=True)
        fd = os.open(key.file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        with open(fd, "r+b") as stream:
            size = stream.seek(0, os.SEEK_END)
            before = b""
            if size:
                stream.seek(size - 1)
                before = b"" if stream.read(1) == b"\n" else b"\n"
            stream.write(before + key.line.encode("ascii") + b"\n")
            stream.flush()
            os.fsync(fd)
    except OSError as err:
        raise DestinationWrite(
            f"cannot write {shown(key.file)}: {err.strerror}",
            hint="name another file in the URL of the library: ?known_hosts=FILE",
        ) from err


def _pattern(host: str, port: int) -> str:
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"
