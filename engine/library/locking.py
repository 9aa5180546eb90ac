"""Libraries that can refuse, by themselves, that a job copy is deleted before its time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from engine.library.interface import Library


@runtime_checkable
class LockingLibrary(Protocol):
    """A library whose medium has locks with an end."""

    def locked_until(self, until: datetime) -> Library:
        """The same library; what is published through it is locked until then.

        Args:
            until: in the zone in which messages tell it.

        Writing through it raises `DestinationWrite` where the medium turns out to have no locks.
        """
        ...


def locked_until(library: Library, until: datetime | None) -> Library:
    """A library whose new job copies are locked until a moment, where it can lock at all."""
    if until is not None and isinstance(library, LockingLibrary):
        return library.locked_until(until)
    return library
