"""Which paths of a backup job a restore was asked for. Pure."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Container, Sequence
from typing import Any

from engine.model.names import RelPath, path_from_json, shown
from engine.transfer.restoring import FailedPath


def asked(options: dict[str, Any]) -> list[str]:
    """What of a backup job is to be restored, as it was asked for, inert; empty: all."""
    globs = [shown(str(glob)) for glob in options.get("paths", [])]
    return globs + [shown(path_from_json(one)) for one in options.get("marked", [])]


def wanted_of(options: dict[str, Any]) -> Callable[[RelPath], bool] | None:
    """Says which paths are to be restored; None: all."""
    globs = [str(glob).lstrip("/") for glob in options.get("paths", [])]
    marked = frozenset(path_from_json(one) for one in options.get("marked", []))
    if not globs and not marked:
        return None
    by_glob = matcher(globs)
    return lambda path: by_glob(path) or is_marked(path, marked)


def once_more(
    wanted: Callable[[RelPath], bool] | None, failed: Sequence[FailedPath]
) -> Callable[[RelPath], bool]:
    """Says what the next copy is asked for: what failed, and the directories that change with it."""
    missing = frozenset(one.path for one in failed)
    above = frozenset(
        path[:at] for path in missing for at in range(len(path)) if path[at : at + 1] == b"/"
    )

    def again(path: RelPath) -> bool:
        return path in missing or (path in above and (wanted is None or wanted(path)))

    return again


def is_marked(path: RelPath, marked: Container[bytes]) -> bool:
    """Whether a path is one of the marked ones, or lies below one."""
    at: bytes = path
    while at:
        if at in marked:
            return True
        at = at.rpartition(b"/")[0]
    return False


def matcher(globs: list[str]) -> Callable[[RelPath], bool]:
    """Says whether a path is wanted: it matches a glob, or lies below a directory that does."""

    def wanted(path: RelPath) -> bool:
        text = os.fsdecode(path)
        parts = text.split("/")
        names = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        return any(fnmatch.fnmatchcase(name, glob) for name in names for glob in globs)

    return wanted
