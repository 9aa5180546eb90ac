"""Brings an older catalog to the present revision; imports the migration tool only then."""

from __future__ import annotations

from engine.catalog.home import Home


def upgrade(home: Home, found: str, *, service: bool) -> None:
    """Placeholder until the second revision."""
    raise NotImplementedError
