"""Nothing that came from a disk or a catalog is interpreted by the terminal: inert text. Pure."""

from __future__ import annotations

from engine.model.names import shown


def safe(text: str) -> str:
    """Text as one inert line; backslashes stay, because names have been through `shown` already."""
    if text.isascii() and text.isprintable():
        return text
    return "\\".join(shown(part) for part in text.split("\\"))
