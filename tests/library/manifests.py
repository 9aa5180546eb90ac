"""Manifests as they are written and read, and forged ones."""

import io
import json

import zstandard
from blake3 import blake3

from engine.library import manifest, manifest_lines
from engine.library.manifest import read_manifest, write_manifest
from engine.model.entries import Entry, ManifestHeader
from tests.library.samples import header


def written(of: ManifestHeader, entries: list[Entry]) -> bytes:
    """A manifest as bytes."""
    stream = io.BytesIO()
    write_manifest(stream, of, entries)
    return stream.getvalue()


def read(data: bytes) -> tuple[ManifestHeader, list[Entry]]:
    """What a manifest says, all of it."""
    found, entries = read_manifest(io.BytesIO(data))
    return found, list(entries)


def sealed(lines: list[bytes]) -> bytes:
    """A well-sealed manifest of any lines: what an attacker can make."""
    body = zstandard.ZstdCompressor(level=3).compress(b"".join(lines))
    return body + manifest._SEAL_MAGIC + blake3(body).digest()


def forged(*records_after_header: dict[str, object], first: dict[str, object] | None = None):
    """A manifest with right seal and last line around records of any kind."""
    start = manifest_lines.line_from_header(header())
    if first is not None:
        start = json.dumps({**json.loads(start), **first}).encode() + b"\n"
    lines = [start, *(json.dumps(record).encode() + b"\n" for record in records_after_header)]
    digest = blake3(b"".join(lines)).digest()
    return sealed([*lines, manifest_lines.line_from_end(len(records_after_header), digest)])
