"""Names on the media: where each thing of a copy lies below the root of its library."""

from __future__ import annotations

import re

from engine.library.interface import Place
from engine.model.errors import UnsafeName
from engine.model.names import shown

MARKER = b"auxtui-library.json"
MANIFEST = b"manifest.jsonl.zst"
DATA = b"data"
JOURNAL = b"journal"
PARTIAL = b".partial"
REMOVED = b".removed"
REPLACES = b"replaces"
"""In a job copy that takes the place of another, until the other is gone: it tells new from old."""
UNPROVEN = MANIFEST + b".unproven"
"""The manifest of a job copy of which it is not known yet whether its server has kept it."""
LOCK_SUFFIX = b".lock"
ASIDE_SUFFIX = b".new"

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9 ._-]{0,126}[A-Za-z0-9._-])?", re.ASCII)
_JOB_ID = re.compile(rb"[1-9][0-9]{0,18}")


def directory_name(name: str) -> bytes:
    """The directory of a policy or a copy.

    Raises:
        UnsafeName: the name could be taken for a path, a hidden file or a file of the library.
    """
    if not _SAFE_NAME.fullmatch(name) or name.encode() == MARKER:
        raise UnsafeName(
            f"{shown(name[:80])!r} cannot be a directory of a library",
            hint="letters, digits, spaces, dots, underscores and hyphens, no dot first",
        )
    return name.encode()


def is_directory_name(name: bytes) -> bool:
    """True for what `directory_name` can give."""
    try:
        return directory_name(name.decode("ascii")) == name
    except (UnicodeDecodeError, UnsafeName):
        return False


def directories_of(place: Place) -> tuple[bytes, bytes]:
    """The two directories below the root that lead to the job copies of a copy.

    Raises:
        UnsafeName: see `directory_name`.
    """
    return directory_name(place.policy), directory_name(place.copy)


def job_directory(job_id: int) -> bytes:
    """The directory of one backup job.

    Raises:
        UnsafeName: the id is not a positive number.
    """
    name = b"%d" % job_id
    if not _JOB_ID.fullmatch(name):
        raise UnsafeName(f"{job_id} cannot be the id of a backup job")
    return name


def job_id_of(name: bytes) -> int | None:
    """The inverse of `job_directory`; None for a name that is not of a backup job."""
    return int(name) if _JOB_ID.fullmatch(name) else None
