"""Plans as the catalog keeps them: compressed JSON. Standard library and zstandard only: consoles read them too."""

from __future__ import annotations

import json
from typing import Any

import zstandard

from engine.model.errors import CatalogCorrupt

_LEVEL = 3  # a plan of 300,000 lines shrinks about twentyfold in well under a second


def packed(document: dict[str, Any]) -> bytes:
    """A plan as it is stored; a sequence that makes its items when they are taken is a list in it."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=list).encode()
    return zstandard.ZstdCompressor(level=_LEVEL).compress(text)


def unpacked(content: bytes, job_id: int) -> dict[str, Any]:
    """A plan as it was.

    Args:
        content: what is stored.
        job_id: whose plan it is, for the message.

    Raises:
        CatalogCorrupt: it cannot be read back.
    """
    try:
        document: dict[str, Any] = json.loads(zstandard.ZstdDecompressor().decompress(content))
    except (zstandard.ZstdError, ValueError) as err:
        raise CatalogCorrupt(
            f"the plan of job {job_id} in the catalog is damaged: {err}",
            hint="run: auxtui catalog check",
        ) from err
    return document
