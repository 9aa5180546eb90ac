"""How much of a library stays free: a file system that is filled to the brim fails everybody."""

from __future__ import annotations

_KEEP_FREE_AT_MOST_BYTES = 1024**3


def keep_free_bytes(total_bytes: int) -> int:
    """What a copy leaves free on a library: 1 % of it, at most 1 GiB."""
    return min(total_bytes // 100, _KEEP_FREE_AT_MOST_BYTES)


_LOW_SHARE = 0.05


def space_is_low(free_bytes: int | None, total_bytes: int | None) -> bool:
    """True when a library gets full: less than 5 % of it is free. False where nobody knows."""
    if free_bytes is None or not total_bytes:
        return False
    return free_bytes < total_bytes * _LOW_SHARE
