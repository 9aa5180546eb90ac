"""Lines of a manifest as they are written: one JSON object each; `records` reads them."""

from __future__ import annotations

import json

from engine.library.json_members import base64_text, bytes_member
from engine.library.records import HEADER_TEXTS, format_of
from engine.model.entries import (
    Chunk,
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    Metadata,
    SymlinkEntry,
    original_path,
)


def line_from_header(header: ManifestHeader) -> bytes:
    """The first line."""
    texts = {key: getattr(header, key) for key in HEADER_TEXTS}
    first = {"type": "header", "format": format_of(header), "backup_job_id": header.backup_job_id}
    members = (
        _members({**first, **texts}),
        bytes_member("name", header.name),
        _members({"cycle": header.cycle, "encrypt_to": list(header.encrypt_to)}),
    )
    return _line(",".join(members))


def line_from_entry(entry: Entry, *, keeps_identity: bool = True) -> bytes:
    """The line of an entry; with the identity at its source, where it has one, or without."""
    path = bytes_member("path", original_path(entry))
    match entry:
        case FileEntry():
            return _line(_file(entry, path, keeps_identity))
        case DirectoryEntry():
            return _line(f'"type":"directory",{path},{_meta(entry.meta)}')
        case SymlinkEntry():
            target = bytes_member("target", entry.target)
            return _line(f'"type":"symlink",{path},{target},{_meta(entry.meta)}')
        case HardlinkEntry():
            link = entry.plain or entry
            members = f'"type":"hardlink",{path},{bytes_member("to", link.to)}'
            if entry.plain is not None:
                members += _stored(entry.path, bytes_member("to", entry.to))
            return _line(members)


def line_from_end(entries: int, digest: bytes) -> bytes:
    """The last line: how many entries, and the BLAKE3 of all lines before it."""
    return _line(f'"type":"end","entries":{entries},"blake3":"{digest.hex()}"')


def _file(entry: FileEntry, path: str, keeps_identity: bool) -> str:
    plain = entry.plain or entry
    members = f'"type":"file",{path},"size":{plain.size},{_meta(entry.meta)}'
    if plain.sparse:
        members += ',"sparse":true'
    members += f",{_chunks(plain.chunks)}"
    if keeps_identity and entry.identity is not None:
        members += f',"identity":[{",".join(map(str, entry.identity))}]'
    if entry.plain is not None:
        members += _stored(entry.path, f'"size":{entry.size},{_chunks(entry.chunks)}')
    return members


def _stored(path: bytes, rest: str) -> str:
    """What lies on the media in place of an original: its name, which differs, and the rest."""
    return f',"stored":{{{bytes_member("name", path.rpartition(b"/")[2])},{rest}}}'


def _chunks(chunks: tuple[Chunk, ...]) -> str:
    one_each = [f'[{offset},{length},"{digest.hex()}"]' for offset, length, digest in chunks]
    return f'"chunks":[{",".join(one_each)}]'


def _meta(meta: Metadata) -> str:
    members = f'"mode":{meta.mode},"mtime_ns":{meta.mtime_ns},"uid":{meta.uid},"gid":{meta.gid}'
    if not meta.xattrs:
        return members
    pairs = [f"[{base64_text(name)},{base64_text(value)}]" for name, value in meta.xattrs]
    return f'{members},"xattrs":[{",".join(pairs)}]'


def _members(record: dict[str, object]) -> str:
    return json.dumps(record, separators=(",", ":"))[1:-1]


def _line(members: str) -> bytes:
    return b"{%b}\n" % members.encode("ascii")
