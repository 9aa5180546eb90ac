"""Whether the terminal is still there."""

from __future__ import annotations

import select

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


def has_hung_up(fd: int) -> bool:
    """True when nothing will ever be typed or shown there again."""
    looking = select.poll()
    looking.register(fd, 0)
    return any(events & _GONE for _, events in looking.poll(0))
