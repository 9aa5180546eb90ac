"""Places that hold copies, and the landing directories that are read: one narrow interface."""

from engine.library.opening import open_library

__all__ = ["open_library"]
