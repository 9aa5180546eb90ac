"""Names from strangers: exact bytes inside, inert text outside.

Owns `RelPath` (the only form in which a path from a disk or a manifest may reach a system call)
and `shown` (the only form in which it may reach a terminal or a log).
"""

from __future__ import annotations

import base64
import binascii
import os
import unicodedata
from typing import NewType

from engine.model.errors import UnsafeName, UsageError

RelPath = NewType("RelPath", bytes)
"""Relative path of validated components, joined by `/`; safe to walk below a directory descriptor."""

MAX_COMPONENT_BYTES = 255  # limit of ext4, xfs, btrfs and most others
MAX_PATH_BYTES = 4000  # PATH_MAX is 4096 with the root in front
MAX_DEPTH = 64  # deeper trees are an attack or a loop
_NO_COMPONENTS = frozenset({b"", b".", b".."})


def rel_path(raw: bytes) -> RelPath:
    """Checks a path from outside and returns it as a `RelPath`.

    Raises:
        UnsafeName: it is absolute, empty, too long or deep, or has an empty, `.`, `..` or NUL part.
    """
    if not raw or len(raw) > MAX_PATH_BYTES:
        raise UnsafeName(f"unsafe path of {len(raw)} bytes: {shown(raw[:80])}")
    parts = raw.split(b"/")
    if len(parts) > MAX_DEPTH:
        raise UnsafeName(f"unsafe path, {len(parts)} levels deep: {shown(raw[:80])}")
    if (  # all at once: this is asked for every path of every manifest and index
        b"\0" in raw
        or not _NO_COMPONENTS.isdisjoint(parts)
        or (len(raw) > MAX_COMPONENT_BYTES and max(map(len, parts)) > MAX_COMPONENT_BYTES)
    ):
        part = next(part for part in parts if not is_component(part))
        raise UnsafeName(f"unsafe path component {shown(part[:80])!r} in {shown(raw[:80])}")
    return RelPath(raw)


def is_component(part: bytes) -> bool:
    """True for what may stand between two slashes of a `RelPath`."""
    return (
        part not in _NO_COMPONENTS
        and b"/" not in part
        and b"\0" not in part
        and len(part) <= MAX_COMPONENT_BYTES
    )


def parts_of(path: RelPath) -> list[bytes]:
    """Components of a validated path, outermost first."""
    return path.split(b"/")


def path_to_json(path: bytes) -> dict[str, str]:
    """A path as a JSON member: `path` when it is valid UTF-8, else `path_base64`, byte for byte."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {"path_base64": base64.b64encode(path).decode("ascii")}


def path_from_json(record: dict[str, object]) -> RelPath:
    """The inverse of `path_to_json`, validated.

    Raises:
        UnsafeName: no path, both forms, or a path that must not be followed.
    """
    text, encoded = record.get("path"), record.get("path_base64")
    if isinstance(text, str) and encoded is None:
        try:
            return rel_path(text.encode("utf-8"))
        except UnicodeEncodeError as err:
            raise UnsafeName("a path has lone surrogates") from err
    if isinstance(encoded, str) and text is None:
        try:
            return rel_path(base64.b64decode(encoded, validate=True))
        except binascii.Error as err:
            raise UnsafeName("a path_base64 is not base64") from err
    raise UnsafeName("a record needs exactly one of path and path_base64")


_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(name: bytes | str) -> str:
    """A name as inert, single-line, unambiguous text for screens, logs and messages.

    Control, format, bidirectional, private and unassigned characters, odd spaces, lone
    surrogates, backslashes and the third and later combining mark in a row are escaped as
    `\\xNN` (a raw byte) or `\\u{...}`.
    """
    text = os.fsdecode(name) if isinstance(name, bytes) else name
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        code = ord(char)
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if char == "\\":
            out.append("\\\\")
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif code < 0x80 and category in _HIDDEN:
            out.append(f"\\x{code:02x}")
        elif category in _HIDDEN or (category == "Zs" and char != " ") or marks > 2:
            out.append(f"\\u{{{code:x}}}")
        else:
            out.append(char)
    return "".join(out)


def refuse_unwritable(*names: str) -> None:
    """Refuses names that no catalog can hold, before it is asked for them.

    Raises:
        UsageError: one has lone surrogates: bytes of a terminal that is not UTF-8.
    """
    for name in names:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError as err:
            raise UsageError(
                f'"{shown(name)}" is not UTF-8, as every name in a catalog is',
                hint="type it on a UTF-8 terminal",
            ) from err
