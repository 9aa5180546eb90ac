"""How much of a library stays free: a file system that is filled to the brim fails everybody."""

from __future__ import annotations

_KEEP_FREE_AT_MOST_BYTES = 1024**3


def keep_free_bytes(total_bytes: int) -> int:
    """What a copy leaves free on a library: 1 % of it, at most 1 GiB."""
    return min(total_bytes // 100, _KEEP_FREE_AT_MOST_BYTES)
