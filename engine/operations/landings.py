"""What the catalog keeps of an adopted entry, so that another one is never taken for it.

Two fingerprints: the look (names, sizes, times) tells one backup job from another; inodes and
change times are all that proves the content while nothing was hashed yet, and bind its journals.
"""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

from engine.library.landing import SeenEntry
from engine.model.entries import Entry, FileEntry


def kept_fingerprint(entry: SeenEntry) -> str:
    """Both fingerprints of an entry, as the catalog keeps them."""
    return f"{entry.fingerprint}.{strict_fingerprint(entry.entries)}"


def look_of(kept: str) -> str:
    """The part of a kept fingerprint that tells one backup job from another."""
    return kept.partition(".")[0]


def strict_fingerprint(entries: Iterable[Entry]) -> str:
    """BLAKE3 over the inodes and change times of the files."""
    digest = blake3()
    for entry in entries:
        if isinstance(entry, FileEntry) and entry.identity is not None:
            identity = entry.identity
            digest.update(b"%d,%d;" % (identity.inode, identity.ctime_ns))
    return digest.hexdigest(length=16)
