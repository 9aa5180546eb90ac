"""Keys of the age format: recipients are public and stand in the site file, identities only in files.

Nothing that is read from an identity file is kept in a message, a log or the catalog.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyrage

from engine.model.encoding import Encoding, without_comment
from engine.model.errors import UsageError
from engine.model.names import shown

MAX_IDENTITY_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SECRET_PREFIXES = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "-----BEGIN")
_HINT = "the public key that age-keygen prints (age1...), or one of ssh-ed25519 or ssh-rsa"


def checked_recipient(text: str) -> str:
    """A recipient in its one form.

    Raises:
        UsageError: it is none; a secret key is not repeated in the message.
    """
    if text.strip().upper().startswith(_SECRET_PREFIXES):
        raise UsageError("is a secret key, not a recipient", hint=f"{_HINT}; renew this key")
    recipient = without_comment(text)
    try:
        _recipient(recipient)
    except pyrage.RecipientError as err:
        raise UsageError(f"{shown(text[:80])!r} is not an age recipient", hint=_HINT) from err
    return recipient


def recipients_of(encoding: Encoding) -> list[Any]:
    """The recipients as pyrage takes them; none when nothing is encrypted.

    Raises:
        UsageError: one of them is none.
    """
    return [_recipient(checked_recipient(text)) for text in encoding.encrypt_to]


def _recipient(text: str) -> Any:
    if text.startswith("ssh-"):
        return pyrage.ssh.Recipient.from_str(text)
    return pyrage.x25519.Recipient.from_str(text)


@dataclass(frozen=True, slots=True)
class Identities:
    """What the identity files hold that can be used."""

    keys: tuple[Any, ...] = ()
    recipients: frozenset[str] = frozenset()
    """Of the age identities among them."""
    has_ssh: bool = False
    problems: tuple[str, ...] = ()
    """Why files, or keys in them, cannot be used."""

    def may_open(self, encoding: Encoding) -> bool:
        """False when it is certain that none of them opens what is encoded so.

        Whom an SSH key belongs to is only seen when it is tried.
        """
        if not encoding.is_encrypted:
            return True
        by_ssh = self.has_ssh and any(one.startswith("ssh-") for one in encoding.encrypt_to)
        return by_ssh or not self.recipients.isdisjoint(encoding.encrypt_to)

    @property
    def hint(self) -> str:
        """What to do when none of them opens something."""
        if self.problems:
            return "; ".join(self.problems)
        return "name the file with the right key in the site file: age_identity_files"


def load_identities(paths: Iterable[str]) -> Identities:
    """Reads identity files, each of mode 0600 or less; what cannot be used is a problem, no error."""
    keys: list[Any] = []
    recipients: set[str] = set()
    problems: list[str] = []
    has_ssh = False
    for path in paths:
        try:
            content = _read(path)
            if content.lstrip().startswith(b"-----BEGIN"):
                keys.append(pyrage.ssh.Identity.from_buffer(content))
                has_ssh = True
                continue
            for key in _age_keys(content):
                keys.append(key)
                recipients.add(str(key.to_public()))
        except OSError as err:
            why = (err.strerror or "cannot be read").lower()
            problems.append(f"identity file {shown(path)}: {why}")
        except UsageError as err:
            problems.append(f"identity file {shown(path)}: {err.message}")
        except pyrage.IdentityError:  # its text may tell of the key
            problems.append(
                f"identity file {shown(path)}: not a key without a passphrase of age, "
                "ssh-ed25519 or ssh-rsa"
            )
    return Identities(tuple(keys), frozenset(recipients), has_ssh, tuple(problems))


def _read(path: str) -> bytes:
    """The content of a file that nobody else may read.

    Raises:
        UsageError: others may, or it is no such file.
        OSError: it cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb") as stream:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError("not a regular file")
        if found.st_mode & _OTHERS:
            mode = stat.S_IMODE(found.st_mode)
            raise UsageError(f"others may read it (mode {mode:04o}): chmod 600 it")
        content = stream.read(MAX_IDENTITY_BYTES + 1)
    if len(content) > MAX_IDENTITY_BYTES:
        raise UsageError("too large for keys")
    return content


def _age_keys(content: bytes) -> list[Any]:
    lines = [line.strip() for line in content.splitlines()]
    keys = [line for line in lines if line and not line.startswith(b"#")]
    if not keys:
        raise UsageError("no key in it")
    try:
        return [pyrage.x25519.Identity.from_str(key.decode("ascii")) for key in keys]
    except UnicodeDecodeError:
        raise UsageError("not a file of keys; one with a passphrase cannot be used") from None
