"""Opens a library by the scheme of its URL; the only place that knows which kinds there are."""

from __future__ import annotations

import os

from engine.library.interface import Library
from engine.library.local import LocalLibrary
from engine.model.errors import UsageError
from engine.model.names import shown

_HINT = "the absolute path of a directory, e.g. /mnt/vault"


def open_library(name: str, url: str, uuid: str | None, commcell_id: str) -> Library:
    """Opens a library; touches nothing yet.

    Args:
        name: in the site file.
        url: an absolute path, or `file:///` with one.
        uuid: what the catalog knows of its marker; empty or None before it is initialised.
        commcell_id: whose library it is.

    Raises:
        UsageError: no library of this kind is known.
    """
    path = url.removeprefix("file://") if url.startswith("file:///") else url
    scheme, separator, _ = path.partition("://")
    if separator and "/" not in scheme:
        raise UsageError(
            f"library {name}: {shown(scheme)}:// is not possible", hint=f"what is: {_HINT}"
        )
    if not path.startswith("/") or "\0" in path:
        raise UsageError(f"library {name}: {shown(url)} is not an absolute path", hint=_HINT)
    return LocalLibrary(name, os.fsencode(path), uuid=uuid or "", commcell_id=commcell_id)
