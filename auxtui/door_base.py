"""What the parts of the front door share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from engine.catalog.home import Home


class EngineDoor(ABC):
    """A part of the front door: the home that it is about, and who asks."""

    def __init__(self, home: Home, by: str) -> None:
        self._home = home
        self._by = by

    @abstractmethod
    def _engine(self) -> Any:
        """The engine's front door, imported at the first call."""
