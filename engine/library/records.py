"""Lines of a manifest as they are read: one JSON object each; `manifest_lines` writes them.

Reads what strangers wrote: every member is checked for its type and range, unknown and repeated
ones are refused, and nothing is allocated by a number that a line states.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NoReturn

from engine.model.encoding import NO_COMPRESSION, ZSTD
from engine.model.entries import (
    DIGEST_BYTES,
    Chunk,
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    Identity,
    ManifestHeader,
    Metadata,
    PlainFile,
    PlainLink,
    SymlinkEntry,
)
from engine.model.errors import ManifestError, UnsafeName
from engine.model.names import RelPath, path_from_json, rel_path, shown

FORMAT = 1
FORMAT_ENCODED = 2
"""Of a manifest whose files are encoded: a reader of format 1 must not take it for plain."""
MAX_INT = 2**63 - 1
_MAX_TIME_NS = 2**63 * 10**9 - 1  # a file system tells seconds of 64 bits
_MAX_TARGET_BYTES = 4095  # PATH_MAX without the NUL
_PATH = frozenset({"path", "path_base64"})
_META = frozenset({"mode", "mtime_ns", "uid", "gid", "xattrs"})
_KEYS: Mapping[str, frozenset[str]] = {
    "file": _PATH | _META | {"type", "size", "sparse", "chunks", "identity", "stored"},
    "directory": _PATH | _META | {"type"},
    "symlink": _PATH | _META | {"type", "target", "target_base64"},
    "hardlink": _PATH | {"type", "to", "to_base64", "stored"},
    "end": frozenset({"type", "entries", "blake3"}),
}
_STORED_FILE = frozenset({"name", "name_base64", "size", "chunks"})
_STORED_LINK = frozenset({"name", "name_base64", "to", "to_base64"})
HEADER_TEXTS = tuple(
    field.name
    for field in fields(ManifestHeader)
    if field.name not in ("backup_job_id", "name", "cycle", "encrypt_to")
)
_HEADER_KEYS = frozenset(
    {
        "type",
        "format",
        "backup_job_id",
        "name",
        "name_base64",
        "cycle",
        "encrypt_to",
        *HEADER_TEXTS,
    }
)


def format_of(header: ManifestHeader) -> int:
    """The format of a manifest: a plain one stays readable for every version."""
    return FORMAT if header.encoding.is_plain else FORMAT_ENCODED


def record_from_line(line: bytes) -> dict[str, Any]:
    """Parses one line.

    Raises:
        ManifestError: it is not one JSON object of plain members.
    """
    try:
        record = _JSON.decode(line.decode("ascii"))
    except (ValueError, RecursionError) as err:
        raise ManifestError(f"a line is not JSON: {shown(str(err)[:120])}") from err
    if not isinstance(record, dict):
        raise ManifestError("a line is not a JSON object")
    return record


def header_from_record(record: dict[str, Any]) -> ManifestHeader:
    """The header.

    Raises:
        ManifestError: it is not a header of a format that is known.
    """
    if record.get("type") != "header":
        raise ManifestError("the first line is not a header")
    number = record.get("format")
    if number not in (FORMAT, FORMAT_ENCODED) or isinstance(number, bool):
        raise ManifestError(
            f"its format is {shown(str(number)[:20])}, this auxtui reads {FORMAT}"
            f" and {FORMAT_ENCODED}",
            hint="a newer auxtui wrote it: upgrade this one",
        )
    _only(record, _HEADER_KEYS)
    recipients = _list(record, "encrypt_to")
    if not all(isinstance(item, str) for item in recipients):
        _refuse("encrypt_to")
    header = ManifestHeader(
        backup_job_id=_integer(record.get("backup_job_id"), "backup_job_id", low=1),
        name=_bytes_from_json(record, "name"),
        cycle=_integer(record.get("cycle"), "cycle"),
        encrypt_to=tuple(recipients),
        **{key: _text(record, key) for key in HEADER_TEXTS},
    )
    if header.compression not in (NO_COMPRESSION, ZSTD):
        _refuse("compression")
    if number != format_of(header):
        _refuse("format")
    return header


def entry_from_record(record: dict[str, Any]) -> Entry:
    """An entry.

    Raises:
        ManifestError: a member is missing, unknown, of a wrong type or out of range.
    """
    kind = record.get("type")
    if not isinstance(kind, str) or kind == "end" or kind not in _KEYS:
        raise ManifestError(f"an entry of unknown type {shown(str(kind)[:40])}")
    _only(record, _KEYS[kind])
    try:
        path = path_from_json(record)
        if kind == "hardlink":
            return _hardlink_from_record(record, path)
        meta = _meta_from_json(record)
        if kind == "directory":
            return DirectoryEntry(path=path, meta=meta)
        if kind == "symlink":
            return SymlinkEntry(path=path, target=_target(record), meta=meta)
        return _file_from_record(record, path, meta)
    except UnsafeName as err:
        raise ManifestError(f"an entry with an unsafe name: {err.message}") from err


def end_from_record(record: dict[str, Any]) -> tuple[int, bytes]:
    """Entries and digest of the last line.

    Raises:
        ManifestError: it is not a last line.
    """
    if record.get("type") != "end":
        raise ManifestError("its last line is missing: it was cut off")
    _only(record, _KEYS["end"])
    return _integer(record.get("entries"), "entries"), _digest(record.get("blake3"))


def checked_chunks(chunks: tuple[Chunk, ...], size: int, path: bytes) -> None:
    """Checks that chunks cover a file in order, without gaps; none at all is "not known yet".

    Raises:
        ManifestError: they do not.
    """
    position = 0
    for chunk in chunks:
        if chunk.offset != position or not 0 < chunk.length <= size - position:
            raise ManifestError(f"the chunks of {shown(path)} do not cover it in order")
        if len(chunk.digest) not in (0, DIGEST_BYTES):
            raise ManifestError(f"a digest of {shown(path)} is not a BLAKE3")
        position += chunk.length
    if chunks and position != size:
        raise ManifestError(f"the chunks of {shown(path)} end at {position}, its size is {size}")


def _hardlink_from_record(record: dict[str, Any], path: RelPath) -> HardlinkEntry:
    to = _link_target(record)
    if "stored" not in record:
        return HardlinkEntry(path=path, to=to)
    stored = _stored(record, _STORED_LINK)
    return HardlinkEntry(
        path=_stored_path(path, stored),
        to=_link_target(stored),
        plain=PlainLink(path=path, to=to),
    )


def _link_target(record: dict[str, Any]) -> RelPath:
    return path_from_json({"path": record.get("to"), "path_base64": record.get("to_base64")})


def _stored(record: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    stored = record["stored"]
    if not isinstance(stored, dict):
        _refuse("stored")
    _only(stored, known)
    return stored


def _stored_path(path: RelPath, stored: dict[str, Any]) -> RelPath:
    """The path of an encoded file: another name in the directory of its original."""
    name = _bytes_from_json(stored, "name")
    if b"/" in name:
        _refuse("name")
    return stored_path(path, rel_path(name))


def stored_path(path: RelPath, name: bytes) -> RelPath:
    """A path with another last component; it may be longer than one from outside may be."""
    parent = path.rpartition(b"/")[0]
    return RelPath(parent + b"/" + name if parent else name)


def _content_from_json(record: dict[str, Any], path: bytes) -> tuple[int, tuple[Chunk, ...]]:
    """Size and chunks, of an original or of what is stored."""
    size = _integer(record.get("size"), "size")
    chunks = tuple([_chunk(item) for item in _list(record, "chunks")])
    checked_chunks(chunks, size, path)
    return size, chunks


def _file_from_record(record: dict[str, Any], path: RelPath, meta: Metadata) -> FileEntry:
    size, chunks = _content_from_json(record, path)
    sparse = record.get("sparse", False)
    if not isinstance(sparse, bool):
        _refuse("sparse")
    identity = None
    if "identity" in record:
        numbers = _list(record, "identity")
        if len(numbers) != len(Identity._fields):
            _refuse("identity")
        identity = Identity(
            *(
                _integer(number, "identity", low=-_MAX_TIME_NS, high=_MAX_TIME_NS)
                for number in numbers
            )
        )
    plain = None
    if "stored" in record:
        plain = PlainFile(path=path, size=size, sparse=sparse, chunks=chunks)
        stored = _stored(record, _STORED_FILE)
        path, sparse = _stored_path(path, stored), False
        size, chunks = _content_from_json(stored, path)
    return FileEntry(
        path=path,
        size=size,
        meta=meta,
        sparse=sparse,
        chunks=chunks,
        identity=identity,
        plain=plain,
    )


def _chunk(item: object) -> Chunk:
    if not isinstance(item, list) or len(item) != 3:
        _refuse("chunks")
    digest = b"" if item[2] == "" else _digest(item[2])
    return Chunk(_integer(item[0], "chunks"), _integer(item[1], "chunks"), digest)


def _target(record: dict[str, Any]) -> bytes:
    target = _bytes_from_json(record, "target")
    if not target or len(target) > _MAX_TARGET_BYTES or b"\0" in target:
        _refuse("target")
    return target


def _meta_from_json(record: dict[str, Any]) -> Metadata:
    return Metadata(
        mode=_integer(record.get("mode"), "mode", high=0o7777),
        mtime_ns=_integer(record.get("mtime_ns"), "mtime_ns", low=-_MAX_TIME_NS, high=_MAX_TIME_NS),
        uid=_integer(record.get("uid"), "uid", high=2**32 - 1),
        gid=_integer(record.get("gid"), "gid", high=2**32 - 1),
        xattrs=_xattrs_from_json(record) if "xattrs" in record else (),
    )


def _xattrs_from_json(record: dict[str, Any]) -> tuple[tuple[bytes, bytes], ...]:
    xattrs = []
    for pair in _list(record, "xattrs"):
        if not isinstance(pair, list) or len(pair) != 2:
            _refuse("xattrs")
        xattrs.append((_from_base64(pair[0], "xattrs"), _from_base64(pair[1], "xattrs")))
    return tuple(xattrs)


def _bytes_from_json(record: dict[str, Any], key: str) -> bytes:
    text, encoded = record.get(key), record.get(f"{key}_base64")
    if isinstance(text, str) and encoded is None:
        return _utf8(text, key)
    if encoded is None or text is not None:
        _refuse(key)
    return _from_base64(encoded, key)


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        _refuse(key)
    _utf8(value, key)
    return value


def _utf8(text: str, key: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as err:
        raise ManifestError(f"its member {key} has lone surrogates") from err


def _list(record: dict[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    if not isinstance(value, list):
        _refuse(key)
    return value


def _integer(value: object, key: str, *, low: int = 0, high: int = MAX_INT) -> int:
    if type(value) is not int or not low <= value <= high:  # a bool is none
        _refuse(key)
    return value


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or len(value) != 2 * DIGEST_BYTES or value != value.lower():
        _refuse("digest")
    try:
        return bytes.fromhex(value)
    except ValueError as err:
        raise ManifestError("its member digest is wrong or missing") from err


def _from_base64(value: object, key: str) -> bytes:
    if not isinstance(value, str):
        _refuse(key)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as err:
        raise ManifestError(f"its member {key} is not base64") from err


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a member is there twice")
    return record


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not a whole number")


_JSON = json.JSONDecoder(  # made once: `loads` makes one for each line
    object_pairs_hook=_without_repeats, parse_float=_refuse_number, parse_constant=_refuse_number
)


def _refuse(key: str) -> NoReturn:
    raise ManifestError(f"its member {key} is wrong or missing")


def _only(record: dict[str, Any], known: frozenset[str]) -> None:
    if not known.issuperset(record):
        raise ManifestError(f"an unknown member {shown(min(record.keys() - known)[:40])}")
