"""A key of the site file as a field of a form. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from auxtui.form import Values

Document = dict[str, Any]
Shape = Literal[
    "text", "number", "flag", "list", "choice", "periods", "throttle", "extended", "pairs"
]
ZONE_HELP = "IANA name, e.g. Europe/Berlin; empty: that of the CommCell."


def _always(values: Values) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of an item's table."""

    name: str
    label: str
    help: str
    shape: Shape = "text"
    tab: str = "General"
    default: Any = ""
    """What the engine takes when the key is left out."""
    words: tuple[str, ...] = ()
    """Of a choice: the words themselves."""
    among: Callable[[Document, tuple[str, ...]], list[str]] | None = None
    """Of a choice: names out of the configuration, for the item at a place."""
    may_be_empty: str = ""
    """Of a choice: what having none is called; empty: one must be chosen."""
    applies: Callable[[Values], bool] = _always
    is_kept: bool = False
    """Written even when it is the default."""


def names_at(*path: str) -> Callable[[Document, tuple[str, ...]], list[str]]:
    """The names in a table of the configuration."""

    def names(document: Document, place: tuple[str, ...]) -> list[str]:
        at: Any = document
        for key in path:
            at = at.get(key, {})
        return list(at)

    return names
