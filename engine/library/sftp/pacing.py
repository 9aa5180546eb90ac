"""How much is under way at once, from the round trip of the line. Pure.

Measured: a server takes 2 MiB for each connection before it must be heard of, so that a long line
is filled by connections, not by more requests; that on a short one a second connection is worth
an eighth, since one session syncs a file while the other writes; that small files need one round trip after the other, so
that many are under way at once where a round trip is long.
"""

from __future__ import annotations

from engine.library.line import FAR_S, NEAR_S

FILES_ON_A_LINE = 256
"""Small files that are open at once, of all job copies together, where a server states no limit."""
_MOST_ON_A_LINE = 512
_FILES_NEAR, _FILES_BETWEEN, _FILES_FAR = 16, 32, 128


def connections_for(latency_s: float, most: int) -> int:
    """Connections for large files, at most `most`."""
    wanted = 2 if latency_s < FAR_S else 4
    return min(wanted, most)


def files_on_a_line(handles_limit: int) -> int:
    """Small files that are open at once, of all job copies together.

    Args:
        handles_limit: of one connection, as the server states it; 0: it does not.
    """
    return min(_MOST_ON_A_LINE, handles_limit // 2) or FILES_ON_A_LINE


def files_at_once(latency_s: float) -> int:
    """Small files of one batch under way at once."""
    if latency_s < NEAR_S:
        return _FILES_NEAR
    return _FILES_BETWEEN if latency_s < FAR_S else _FILES_FAR
