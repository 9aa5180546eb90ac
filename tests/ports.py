"""Ports for servers that bind by themselves, later, and again after they were killed."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_MANY = 12_000


def free_port() -> int:
    """A port that nobody listens on now, and that the kernel gives to nobody who does not name it."""
    first_given = int(_RANGE.read_text().split()[0])
    numbers = random.SystemRandom()
    while True:
        port = numbers.randrange(max(1024, first_given - _MANY), first_given)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
