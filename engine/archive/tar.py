"""Headers of a tar stream in the pax format, built for many small files.

The standard library's `tarfile` reads what is written here, and so does GNU tar; its own writer
takes several times as long for each member (bench/backup.py measures both).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

BLOCK = 512
END = bytes(2 * BLOCK)
"""Marks the end of an archive."""

REGULAR = b"0"
HARDLINK = b"1"
SYMLINK = b"2"
CHARACTER = b"3"
BLOCK_DEVICE = b"4"
DIRECTORY = b"5"
FIFO = b"6"

_SECOND_NS = 1_000_000_000
_STAMP_DIGITS = 20  # of a time between 2001 and 2286, with its point
_BLANK_SUM = 8 * ord(" ")  # a block is summed with spaces in place of its sum
_MAX_OCTAL_7 = 0o7777777
_MAX_OCTAL_11 = 0o77777777777
_MAX_NAME = 100
_MAX_PREFIX = 155
_PAX_NAME = b"PaxHeaders/auxtui"

_ACLS = {
    b"system.posix_acl_access": b"SCHILY.acl.access",
    b"system.posix_acl_default": b"SCHILY.acl.default",
}
_ACL_TAGS = {1: b"user", 2: b"user", 4: b"group", 8: b"group", 16: b"mask", 32: b"other"}
_ACL_NAMED = frozenset({2, 8})

Segment = tuple[int, int]
"""Offset and length of a run of data in a sparse file."""


def padding(size_bytes: int) -> int:
    """How many zeros follow so many bytes of a member."""
    return -size_bytes % BLOCK


def header(
    name: bytes,
    kind: bytes,
    *,
    mode: int,
    uid: int,
    gid: int,
    mtime_ns: int,
    size_bytes: int = 0,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
    records: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """The blocks that stand before the data of a member.

    Args:
        name: relative path; a directory's ends in a slash.
        kind: type flag.
        mode: permission bits.
        uid: owner, kept as a number: on the host of the restore a name may be another's.
        gid: group, likewise.
        mtime_ns: modification time, nanoseconds.
        size_bytes: of the data that follows.
        link: target of a link, exactly as it is.
        device: major and minor number.
        records: further records of the extended header, by keyword.
    """
    extended = list(records)
    seconds, ns = divmod(mtime_ns, _SECOND_NS)
    stamp = b""
    if ns or not 0 <= seconds <= _MAX_OCTAL_11:
        stamp = _stamp(mtime_ns)
        seconds = min(max(seconds, 0), _MAX_OCTAL_11)
    prefix, short = b"", name
    if len(name) > _MAX_NAME:
        prefix, short = _split(name)
        if not short:
            extended.append((b"path", name))
            short = name[:_MAX_NAME]
    if len(link) > _MAX_NAME:
        extended.append((b"linkpath", link))
        link = link[:_MAX_NAME]
    stated = size_bytes
    if size_bytes > _MAX_OCTAL_11:
        extended.append((b"size", b"%d" % size_bytes))
        stated = 0
    if uid > _MAX_OCTAL_7:
        extended.append((b"uid", b"%d" % uid))
        uid = 0
    if gid > _MAX_OCTAL_7:
        extended.append((b"gid", b"%d" % gid))
        gid = 0
    body = b"".join([_record(keyword, value) for keyword, value in extended]) if extended else b""
    block = _block(short, kind, (mode, uid, gid), stated, seconds, _tail(link, device, prefix))
    return _pax(body + stamp) + block if body or stamp else block


def sparse_records(name: bytes, size_bytes: int) -> list[tuple[bytes, bytes]]:
    """Records of a sparse file of the GNU format 1.0; its data begins with `sparse_map`."""
    return [
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", name),
        (b"GNU.sparse.realsize", b"%d" % size_bytes),
    ]


def sparse_name(name: bytes) -> bytes:
    """The name that programs see which do not know sparse files."""
    directory, slash, last = name.rpartition(b"/")
    return directory + slash + b"GNUSparseFile.0/" + last


def sparse_map(segments: Sequence[Segment]) -> bytes:
    """Where the runs of data of a sparse file lie, in whole blocks."""
    lines = [b"%d\n" % len(segments)]
    lines += [b"%d\n%d\n" % segment for segment in segments]
    text = b"".join(lines)
    return text + bytes(padding(len(text)))


def xattr_record(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """The record of an extended attribute, as GNU tar and star write it; an ACL becomes text."""
    if name in _ACLS:
        with suppress(ValueError):
            return _ACLS[name], acl_text(value)
    keyword = name.replace(b"%", b"%25").replace(b"=", b"%3D")
    return b"SCHILY.xattr." + keyword, value


def acl_text(value: bytes) -> bytes:
    """A POSIX ACL as the kernel keeps it, in the text that tar programs read, ids as numbers.

    Raises:
        ValueError: it is no ACL that is known here.
    """
    if len(value) < 4 or (len(value) - 4) % 8 or int.from_bytes(value[:4], "little") != 2:
        raise ValueError("an ACL of an unknown form")
    parts = []
    for tag, rights, number in struct.iter_unpack("<HHI", value[4:]):
        who = _ACL_TAGS.get(tag)
        if who is None:
            raise ValueError("an ACL with an unknown entry")
        named = b"%d" % number if tag in _ACL_NAMED else b""
        letters = bytes(
            letter if rights & bit else ord("-")
            for letter, bit in ((ord("r"), 4), (ord("w"), 2), (ord("x"), 1))
        )
        parts.append(b"%b:%b:%b" % (who, named, letters))
    return b",".join(parts)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """A long name as prefix and name; an empty name when it cannot be cut at a slash."""
    cut = name.rfind(b"/", 0, _MAX_PREFIX + 1)
    rest = name[cut + 1 :]
    if cut <= 0 or len(rest) > _MAX_NAME or not rest:
        return b"", b""
    return name[:cut], rest


def _stamp(ns: int) -> bytes:
    """The record of a modification time."""
    seconds, rest = divmod(abs(ns), _SECOND_NS)
    if ns >= 0 and len(text := b"%d.%09d" % (seconds, rest)) == _STAMP_DIGITS:
        return b"30 mtime=%b\n" % text
    return _record(b"mtime", b"%b%d.%09d" % (b"-" if ns < 0 else b"", seconds, rest))


def _pax(body: bytes) -> bytes:
    return b"".join((_pax_block(len(body)), body, bytes(-len(body) % BLOCK)))


def _record(keyword: bytes, value: bytes) -> bytes:
    """`<length> <keyword>=<value>\\n`, where the length counts itself."""
    rest = len(keyword) + len(value) + 3
    length = rest + len(b"%d" % rest)
    if len(b"%d" % length) > len(b"%d" % rest):
        length += 1
    return b"%d %b=%b\n" % (length, keyword, value)


@lru_cache(maxsize=512)
def _pax_block(size_bytes: int) -> bytes:
    """The header of an extended header; nearly all are of a few sizes."""
    return _block(_PAX_NAME, b"x", (0o600, 0, 0), size_bytes, 0, _tail(b"", (0, 0), b""))


class _Part(NamedTuple):
    """A part of a block that many members share, and the sum of its bytes."""

    text: bytes
    total: int


@lru_cache(maxsize=1024)
def _tail(link: bytes, device: tuple[int, int], prefix: bytes) -> _Part:
    """What follows the type flag."""
    text = b"".join(
        (
            link.ljust(100, b"\0"),
            b"ustar\x0000".ljust(72, b"\0"),
            b"%07o\0%07o\0" % device,
            prefix.ljust(167, b"\0"),
        )
    )
    return _Part(text, sum(text))


@lru_cache(maxsize=1024)
def _rights(mode: int, uid: int, gid: int) -> _Part:
    text = b"%07o\0%07o\0%07o\0" % (mode, uid, gid)
    return _Part(text, sum(text))


def _block(
    name: bytes,
    kind: bytes,
    rights: tuple[int, int, int],
    size_bytes: int,
    seconds: int,
    tail: _Part,
) -> bytes:
    """One block: name, rights, size and time, the sum of all bytes, the type flag, the rest."""
    shared = _rights(*rights)
    numbers = b"%011o\0%011o\0" % (size_bytes, seconds)
    # The sum of few bytes is the low half of their adler32, less the one that it begins with.
    total = (zlib.adler32(name) & 0xFFFF) + (zlib.adler32(numbers) & 0xFFFF) - 2
    total += shared.total + tail.total + _BLANK_SUM + kind[0]
    return b"".join(
        (name.ljust(100, b"\0"), shared.text, numbers, b"%06o\0 " % total, kind, tail.text)
    )
