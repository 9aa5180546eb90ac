"""What the doctor looks at in what auxtui backs up itself: every path of the content."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from engine.archive.choosing import Excludes
from engine.catalog.values import Finding, SubclientValue
from engine.model.names import shown
from engine.model.states import LibraryState, Severity

_GLOB_CHARS = frozenset("*?[")


def examine_content(subclient: SubclientValue) -> Iterator[Finding]:
    """The paths of a subclient's content, and whether its source is believed."""
    label = f"{shown(subclient.client)}/{shown(subclient.name)}"
    excludes = Excludes(subclient.exclude)
    for path in subclient.content:
        yield from _root(label, path, excludes)
    if subclient.state == LibraryState.OFFLINE:
        yield Finding(
            severity=Severity.ERROR,
            what=f"subclient {label}: its source is in doubt: {shown(subclient.state_reason)}",
            hint="nothing older of it is aged until a backup finds as much as before; "
            f"if it is right: auxtui backup {label} --accept",
        )


def _root(label: str, path: str, excludes: Excludes) -> Iterator[Finding]:
    """One path of the content as the account that asks sees it."""
    where = f"subclient {label}: {shown(path)}"
    try:
        found = os.lstat(path)
        if stat.S_ISDIR(found.st_mode):
            yield from _directory(where, path, excludes)
        elif stat.S_ISLNK(found.st_mode):
            target = shown(os.fsencode(os.readlink(path)))
            yield _warning(
                f"{where} is a symbolic link: the link is backed up, and nothing below {target}",
                "name what it leads to in `content`",
            )
        elif stat.S_ISREG(found.st_mode):
            os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        hint = "mount it, or take it out of `content`"
        if _GLOB_CHARS & set(path):
            hint = (
                "`content` takes paths, no globs: name the directory above, and `exclude` the rest"
            )
        yield _error(f"{where} is not there: nothing of it is backed up", hint)
    except OSError as err:
        yield _error(
            f"{where} cannot be read: {(err.strerror or '').lower()}",
            "let the account of the service read it (the doctor looks as the account that asks)",
        )


def _directory(where: str, path: str, excludes: Excludes) -> Iterator[Finding]:
    """Whether anything of a directory gets into a backup.

    Raises:
        OSError: it cannot be listed.
    """
    is_empty = True
    directory = path.strip("/")
    with os.scandir(path) as entries:
        for entry in entries:
            if not excludes.match(entry.name, directory):
                return
            is_empty = False
    if is_empty:
        yield _warning(
            f"{where} is empty: nothing of it is backed up", "is what belongs there mounted?"
        )
    else:
        yield _warning(f"{where}: `exclude` leaves all of it out", "look at the globs of `exclude`")


def _warning(what: str, hint: str) -> Finding:
    return Finding(severity=Severity.WARNING, what=what, hint=hint)


def _error(what: str, hint: str) -> Finding:
    return Finding(severity=Severity.ERROR, what=what, hint=hint)
