"""The marker in the root of a library: an unmounted or foreign disk is never filled by mistake."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict
from typing import Any

from blake3 import blake3

from engine.library.beneath import names_in, open_for_reading, unlink_if_there
from engine.library.durable_file import write_aside
from engine.library.interface import LibraryIdentity
from engine.library.layout import ASIDE_SUFFIX, MARKER
from engine.library.syscalls import rename_new
from engine.model.errors import LibraryOffline, LibraryRefused, LibraryUnmarked
from engine.model.names import shown
from engine.model.states import FOREIGN, FOREIGN_HINT

FORMAT = 1
MAX_MARKER_BYTES = 64 * 1024
_DIGEST = "blake3"
_ASIDE_PREFIX = b"." + MARKER + b"."
_OFFLINE_HINT = "mount the disk of this library, then try again"
_NEVER_MARKED_HINT = "apply the site file: a library that is reached gets its marker then"


class Marker:
    """What a library's marker must say to be this library.

    Args:
        name: of the library, for messages.
        root: path of its root, for messages.
        uuid: empty while it is not known yet.
        commcell_id: whose library it is.
    """

    def __init__(self, name: str, root: bytes, uuid: str, commcell_id: str) -> None:
        self._name = name
        self._root = root
        self._commcell_id = commcell_id
        self.uuid = uuid

    def read(self, root_fd: int) -> LibraryIdentity | None:
        """The identity; None when there is no marker.

        Raises:
            LibraryOffline: it cannot be read, is damaged, or is not this library's.
        """
        try:
            fd = open_for_reading(MARKER, parent=root_fd)
            with open(fd, "rb") as stream:
                text = stream.read(MAX_MARKER_BYTES)
        except FileNotFoundError:
            return None
        except OSError as err:
            why = (err.strerror or str(err)).lower()
            raise self.offline(f"its marker cannot be read: {why}", _OFFLINE_HINT) from err
        return self.judged(text)

    def judged(self, text: bytes) -> LibraryIdentity:
        """The identity that a marker states.

        Raises:
            LibraryOffline: it is damaged, or is not this library's.
        """
        identity = identity_of(text)
        if identity is None:
            raise self._refused(
                "its marker is damaged",
                "look at the disk first; the marker is written anew with what "
                f"`auxtui library marker {shown(self._name)}` prints",
            )
        self._check(identity)
        return identity

    def require(self, root_fd: int) -> LibraryIdentity:
        """The identity.

        Raises:
            LibraryOffline: as `read`, or there is no marker.
        """
        identity = self.read(root_fd)
        if identity is None:
            raise self.absent()
        return identity

    def absent(self) -> LibraryOffline:
        """The error for a place without a marker."""
        why = "there is no marker of a library there"
        if self.uuid:
            return self.offline(why, _OFFLINE_HINT)
        return LibraryUnmarked(self._said(why), hint=_NEVER_MARKED_HINT)

    def refuse_marked_before(self) -> None:
        """Raises:
        LibraryOffline: it had a marker before, so what is mounted there now is something else.
        """
        if self.uuid:
            raise self.offline(
                "there is no marker of a library there, and there was one before", _OFFLINE_HINT
            )

    def write(self, root_fd: int, identity: LibraryIdentity) -> None:
        """Writes the marker unless there is one; whole and durable on return, or not there.

        Raises:
            LibraryOffline: it was here before, so what is mounted there is something else.
            OSError: it cannot be written.
        """
        self.refuse_marked_before()
        for name in names_in(root_fd):
            if name.startswith(_ASIDE_PREFIX) and name.endswith(ASIDE_SUFFIX):
                unlink_if_there(name, parent=root_fd)
        text = text_of(identity)
        name = _ASIDE_PREFIX + secrets.token_hex(8).encode("ascii")
        aside = write_aside(name, lambda stream: stream.write(text), parent=root_fd)
        try:
            rename_new(aside, MARKER, old_dir=root_fd, new_dir=root_fd)
        except FileExistsError:  # another service was faster: its marker counts
            unlink_if_there(aside, parent=root_fd)
        os.fsync(root_fd)

    def _check(self, identity: LibraryIdentity) -> None:
        if identity.format != FORMAT:
            raise self._refused(f"its format is {identity.format}", "upgrade auxtui on this host")
        if identity.commcell_id != self._commcell_id:
            raise self._refused(
                f"{FOREIGN}, {shown(identity.commcell)}",
                FOREIGN_HINT,
            )
        if self.uuid and identity.uuid != self.uuid:
            raise self.offline(
                f"another library of this CommCell, {shown(identity.name)}, is there",
                "mount the right disk, or correct the URL in the site file",
            )

    def offline(self, why: str, hint: str) -> LibraryOffline:
        """The error that says why this library cannot be used, and what to do."""
        return LibraryOffline(self._said(why), hint=hint)

    def _refused(self, why: str, hint: str) -> LibraryRefused:
        """As `offline`, of what does not pass by waiting."""
        return LibraryRefused(self._said(why), hint=hint)

    def _said(self, why: str) -> str:
        return f"library {self._name} at {shown(self._root)} is offline: {why}"


def refuse_another(name: str, url: str, identity: LibraryIdentity) -> None:
    """For a library whose marker is not known: what is there must have been marked as this one.

    Raises:
        LibraryOffline: it is another library of this CommCell, two of which would be one disk.
    """
    if identity.name != name:
        raise LibraryOffline(
            f'the directory {shown(url)} is the library "{shown(identity.name)}" already',
            hint="give each library a directory of its own",
        )


def text_of(identity: LibraryIdentity) -> bytes:
    """A marker as it is written: the identity, and a digest of it."""
    record = asdict(identity)
    return _written({**record, _DIGEST: _digest_of(record)})


def identity_of(text: bytes) -> LibraryIdentity | None:
    """The identity in a marker; None when it is damaged.

    Members of later versions are passed over where the digest covers them. One without a digest is
    of an earlier version, or was written by hand.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("format")) is not int:
        return None
    keys = ("uuid", "name", "commcell_id", "commcell")
    if not all(isinstance(record.get(key), str) for key in keys) or not record["uuid"]:
        return None
    if _DIGEST in record:
        is_as_written = text == _written(record)
        if record.pop(_DIGEST) != _digest_of(record) or not is_as_written:
            return None
    elif record.keys() != {*keys, "format"}:
        return None
    return LibraryIdentity(format=record["format"], **{key: record[key] for key in keys})


def _written(record: dict[str, Any]) -> bytes:
    return json.dumps(record, indent=2).encode("ascii") + b"\n"


def _digest_of(record: dict[str, Any]) -> str:
    """BLAKE3 of the members without blanks, sorted by their names."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return blake3(text.encode("ascii")).hexdigest()
