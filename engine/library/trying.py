"""Tries a library out, end to end: a small file is written, synced, renamed, read and taken away."""

from __future__ import annotations

import secrets
from typing import NamedTuple, Protocol, runtime_checkable

from engine.library.layout import ASIDE_SUFFIX

PROBE_BYTES = 64 * 1024


class Step(NamedTuple):
    """What went well."""

    name: str
    seconds: float


@runtime_checkable
class TriesOut(Protocol):
    """A library that can be tried out."""

    def try_out(self, *, is_marked: bool = True) -> list[Step]:
        """Does it; nothing of it stays.

        Args:
            is_marked: the marker is required first; False: of one that has none yet.

        Raises:
            StorageError: the step that failed, and why.
        """
        ...


def probe_names() -> tuple[bytes, bytes]:
    """Names of the probe before and after its rename; the first one means nothing to any reader."""
    name = b".auxtui-probe." + secrets.token_hex(8).encode("ascii")
    return name + ASIDE_SUFFIX, name
