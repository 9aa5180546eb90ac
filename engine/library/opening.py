"""Opens a library by the scheme of its URL; the only place that knows which kinds there are.

A kind that needs a network is imported when one is opened: nobody else pays for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.library.discovery import Discovery, LocalDiscovery
from engine.library.interface import Library
from engine.library.local import LocalLibrary
from engine.model.errors import UsageError
from engine.model.names import shown

REMOTE_SCHEMES = ("sftp", "s3")
"""Kinds of libraries that lie behind a network."""

_HINT = (
    "the absolute path of a directory, e.g. /mnt/vault, sftp://user@host/path, "
    "or s3://bucket/prefix?endpoint=URL"
)


def open_library(
    name: str, url: str, uuid: str | None, commcell_id: str, *, home: Path | None = None
) -> Library:
    """Opens a library; touches nothing yet.

    Args:
        name: in the site file.
        url: an absolute path, `file:///` with one, or a URL of a remote library.
        uuid: what the catalog knows of its marker; empty or None before it is initialised.
        commcell_id: whose library it is.
        home: `AUXTUI_HOME`, where a library that cannot hold journals keeps them; None for whoever
            only looks.

    Raises:
        UsageError: no library of this kind is known, or its URL cannot be understood.
    """
    if scheme_of(url) == "s3":
        from engine.library.objects.library import ObjectLibrary

        return ObjectLibrary.of_url(name, url, home=home, uuid=uuid or "", commcell_id=commcell_id)
    if scheme_of(url) == "sftp":
        from engine.library.sftp.library import SftpLibrary

        return SftpLibrary.of_url(name, url, uuid=uuid or "", commcell_id=commcell_id)
    return LocalLibrary(name, _root_of(name, url), uuid=uuid or "", commcell_id=commcell_id)


def discover(name: str, url: str) -> Discovery:
    """What can be found out of a library without a catalog; touches nothing yet.

    Raises:
        UsageError: see `open_library`.
    """
    if scheme_of(url) == "s3":
        from engine.library.objects.library import ObjectLibrary

        return ObjectLibrary.of_url(name, url, home=None, uuid="", commcell_id="")
    if scheme_of(url) == "sftp":
        from engine.library.sftp.library import SftpLibrary

        return SftpLibrary.of_url(name, url, uuid="", commcell_id="")
    return LocalDiscovery(_root_of(name, url))


def check_url(name: str, url: str) -> None:
    """Raises:
    UsageError: as `open_library` would, without importing what it needs.
    """
    if scheme_of(url) == "s3":
        from engine.library.objects.address import parse_address

        parse_address(name, url)
        return
    if scheme_of(url) == "sftp":
        from engine.library.sftp.address import parse_address as parse_sftp

        parse_sftp(name, url)
        return
    _root_of(name, url)


def object_lock_of(name: str, url: str) -> str:
    """How what goes to WORM copies of a library is locked: `governance`, `compliance`; empty: not at all."""
    if scheme_of(url) != "s3":
        return ""
    from engine.library.objects.address import parse_address

    return parse_address(name, url).object_lock


def scheme_of(url: str) -> str:
    """The scheme of a URL in lower case; empty for a path."""
    scheme, separator, _ = url.partition("://")
    return scheme.lower() if separator and "/" not in scheme else ""


def is_remote(url: str) -> bool:
    """True for a library behind a network."""
    return scheme_of(url) in REMOTE_SCHEMES


def _root_of(name: str, url: str) -> bytes:
    path = url.removeprefix("file://") if url.startswith("file:///") else url
    scheme = scheme_of(path)
    if scheme:
        raise UsageError(
            f"library {name}: {shown(scheme)}:// is not possible", hint=f"what is: {_HINT}"
        )
    if not path.startswith("/") or "\0" in path:
        raise UsageError(f"library {name}: {shown(url)} is not an absolute path", hint=_HINT)
    return os.fsencode(path)
