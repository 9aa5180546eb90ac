"""What of a file system belongs to the content of a subclient."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

from engine.archive.index import ancestors, relative


class Excludes:
    """The globs of a subclient. `*` also matches slashes.

    Args:
        globs: one without a slash is matched with the name of every file and directory; one that
            begins with a slash with whole paths; any other with the ends of paths.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        names, paths = [], []
        for glob in globs:
            text = glob.rstrip("/")
            if "/" not in text:
                names.append(text)
            else:
                paths.append(text if text.startswith("/") else f"*/{text}")
        self._names = _either(names)
        self._paths = _either(paths)

    def match(self, name: str, directory: str) -> bool:
        """Whether an entry is left out, and with it all that is below it.

        Args:
            name: of the entry.
            directory: that it lies in, relative to the root; empty for the root.
        """
        if self._names is not None and self._names.match(name):
            return True
        if self._paths is None:
            return False
        return self._paths.match(f"/{directory}/{name}" if directory else f"/{name}") is not None


class Roots:
    """The paths of a subclient's content, and the directories on the way to them.

    Args:
        content: absolute paths.
    """

    def __init__(self, content: Iterable[str]) -> None:
        self.paths = frozenset(relative(path) for path in content)
        self.above = frozenset(one for path in self.paths for one in ancestors(path))

    @property
    def is_everything(self) -> bool:
        """The root directory itself is content."""
        return b"" in self.paths

    def names_below(self, directory: bytes) -> list[bytes]:
        """Names in a directory above the content that lead to it."""
        prefix = directory + b"/" if directory else b""
        return sorted(
            path[len(prefix) :]
            for path in self.paths | self.above
            if path.startswith(prefix)
            and len(path) > len(prefix)
            and b"/" not in path[len(prefix) :]
        )


def _either(globs: Sequence[str]) -> re.Pattern[str] | None:
    if not globs:
        return None
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs))
