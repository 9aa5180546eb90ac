"""Places that hold copies, and the landing directories that are read: one narrow interface."""

from engine.library.opening import check_url, discover, is_remote, open_library

__all__ = ["check_url", "discover", "is_remote", "open_library"]
