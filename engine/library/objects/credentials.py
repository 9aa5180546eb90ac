"""Who a library is used as: a file that nobody else can read, else the default chain of AWS.

The secrets stay in the values that this module hands to the client, and nowhere else.
"""

from __future__ import annotations

import configparser
import os
import stat
from dataclasses import dataclass, field

from engine.library.objects.address import S3Address
from engine.library.objects.faults import Kind, StoreFault
from engine.model.names import shown

_MAX_BYTES = 64 * 1024
_DEFAULT_SECTION = "default"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair; never shown."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False, default=None)


def credentials_of(address: S3Address) -> Credentials | None:
    """What the credentials file of a library says; None when it names no file.

    Raises:
        StoreFault: it cannot be read, can be read by others, or says nothing.
    """
    if not address.credentials:
        return None
    name = shown(address.credentials)
    section = address.profile or _DEFAULT_SECTION
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(_private_text(address.credentials))
    except (configparser.Error, UnicodeDecodeError) as err:
        # The message of the parser has the line in it, which may be a secret.
        raise _unusable(f"the credentials file {name} is not one", _FORM) from err
    if not parser.has_section(section):
        raise _unusable(f"the credentials file {name} has no [{shown(section)}]", _FORM)
    found = parser[section]
    access, secret = found.get("aws_access_key_id", ""), found.get("aws_secret_access_key", "")
    if not access or not secret:
        raise _unusable(f"[{shown(section)}] in {name} lacks a key", _FORM)
    return Credentials(access, secret, found.get("aws_session_token"))


def _private_text(path: str) -> str:
    name = shown(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as err:
        why = (err.strerror or str(err)).lower()
        raise _unusable(f"cannot read the credentials file {name}: {why}", _FORM) from err
    with open(fd, "rb") as stream:
        held = os.fstat(fd)
        if not stat.S_ISREG(held.st_mode):
            raise _unusable(f"the credentials file {name} is not a file", _FORM)
        if held.st_uid not in (0, os.geteuid()):
            raise _unusable(
                f"the credentials file {name} belongs to another user (uid {held.st_uid})",
                "give it to the account of the service",
            )
        if stat.S_IMODE(held.st_mode) & 0o077:
            raise _unusable(
                f"the credentials file {name} can be read by others "
                f"(mode {stat.S_IMODE(held.st_mode):04o})",
                f"chmod 600 {name}, and change the keys if somebody may have read them",
            )
        return stream.read(_MAX_BYTES).decode("utf-8")


def _unusable(text: str, hint: str) -> StoreFault:
    return StoreFault(Kind.AUTH, text=text, hint=hint)


_FORM = "a file of mode 0600 with [default], aws_access_key_id = … and aws_secret_access_key = …"
