"""From names on a disk to keys in an object store and back. Pure; documented in docs/format.md.

A name is bytes, a key is UTF-8 of at most 1,024 bytes. What is readable stays as it is; a `%`, a
byte that is not UTF-8 and a character that no listing carries safely is written as `%XX`. A path
whose key would be too long lies at `%long/<BLAKE3 of the path>`: no escaped name begins like that.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from blake3 import blake3

from engine.library import layout
from engine.library.interface import Place
from engine.library.objects.address import S3Address
from engine.model.names import RelPath

MAX_KEY_BYTES = 1024
MAX_COMPONENT_BYTES = 255  # stores that keep objects as files refuse longer ones
LONG = "%long"
MARKER = layout.MARKER.decode()
PROBE = ".probe"
"""Below the prefix: objects that find out what a store can do; they mean nothing."""

_ODD = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN = re.compile(rb"[A-Za-z0-9._/ -]+")
_MANIFEST = re.compile(r"manifest(?:\.([1-9][0-9]{0,8}))?\.jsonl\.zst")


def escaped(path: bytes) -> str:
    """A path as it stands in a key."""
    if _PLAIN.fullmatch(path):
        return path.decode("ascii")
    text = path.decode("utf-8", "surrogateescape")
    return "".join(char if _is_plain(char) else _percent(char) for char in text)


def _is_plain(char: str) -> bool:
    return char not in "%\\" and unicodedata.category(char) not in _ODD


def _percent(char: str) -> str:
    raw = char.encode("utf-8", "surrogateescape")
    return "".join(f"%{byte:02X}" for byte in raw)


class JobKeys(NamedTuple):
    """The keys of one generation of one job copy.

    A job copy that takes the place of another is its next generation, with a manifest and data of
    its own; of several manifests the one with the highest number counts.
    """

    base: str
    """Of the job copy, with a slash at its end."""
    generation: int = 1

    @property
    def manifest(self) -> str:
        """Key of the manifest: its being there is the publication."""
        return self.base + manifest_name(self.generation)

    @property
    def data(self) -> str:
        """Prefix of the data, with a slash at its end."""
        return f"{self.base}data{'' if self.generation == 1 else f'.{self.generation}'}/"

    def of(self, path: RelPath) -> str:
        """Key of a file."""
        key = self.data + escaped(path)
        if len(key) <= MAX_COMPONENT_BYTES and key.isascii():
            return key
        longest = max(len(part.encode()) for part in key.split("/"))
        if len(key.encode()) <= MAX_KEY_BYTES and longest <= MAX_COMPONENT_BYTES:
            return key
        return f"{self.data}{LONG}/{blake3(path).hexdigest()}"


def manifest_name(generation: int) -> str:
    """Name of the manifest of a generation."""
    return f"manifest{'' if generation == 1 else f'.{generation}'}.jsonl.zst"


def generation_of(name: str) -> int | None:
    """The inverse of `manifest_name`; None for what is no manifest."""
    found = _MANIFEST.fullmatch(name)
    if found is None or found[1] == "1":
        return None
    return int(found[1]) if found[1] else 1


def copy_prefix(address: S3Address, place: Place) -> str:
    """Prefix of all job copies of a copy, with a slash at its end.

    Raises:
        UnsafeName: see `layout.directory_name`.
    """
    policy, copy = layout.directories_of(place)
    return address.key(policy.decode(), copy.decode()) + "/"


def job_base(address: S3Address, place: Place, job_id: int) -> str:
    """Prefix of a job copy, with a slash at its end.

    Raises:
        UnsafeName: see `layout.job_directory`.
    """
    return copy_prefix(address, place) + layout.job_directory(job_id).decode() + "/"
