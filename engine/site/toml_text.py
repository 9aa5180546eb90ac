"""Text to TOML values, with the parser's refusal as one message with file and line."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from engine.model.errors import NotFoundError, SiteError, UsageError
from engine.model.names import shown
from engine.site.section import SiteText

MAX_SITE_BYTES = 16 * 1024 * 1024  # a site file of 100,000 subclients stays below it
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_toml_file(path: str) -> str:
    """The text of a site file or a script.

    Raises:
        NotFoundError: there is no such file.
        UsageError: it cannot be read, is not UTF-8, or is larger than such a file can be.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_SITE_BYTES + 1)
    except FileNotFoundError as err:
        raise NotFoundError(f"there is no file {shown(path)}") from err
    except (OSError, ValueError) as err:
        why = err.strerror if isinstance(err, OSError) else str(err)
        raise UsageError(f"cannot read {shown(path)}: {why}") from err
    if len(raw) > MAX_SITE_BYTES:
        raise UsageError(f"{shown(path)} is larger than a site file can be (16 MiB)")
    return decoded(raw, path)


def decoded(raw: bytes, path: str) -> str:
    """The text of a file's bytes; a byte order mark is left out.

    Raises:
        SiteError: they are not UTF-8; names the line.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = raw.count(b"\n", 0, err.start) + 1
        raise SiteError(
            f"{shown(path)}:{line}: a byte that is not UTF-8", hint="save the file as UTF-8"
        ) from err


def toml_values(text: str, site: SiteText) -> dict[str, Any]:
    """What a TOML text says.

    Raises:
        SiteError: it is not TOML; names the line.
    """
    try:
        return tomllib.loads(text)
    except ValueError as err:  # TOMLDecodeError, and integers of more digits than Python reads
        message = str(err)
        place = _TOML_PLACE.search(message)
        line = int(place.group(1)) if place and place.group(1) else text.count("\n") + 1
        what = message[: place.start()] if place else message
        raise SiteError(
            f"{site.file_name}:{line}: not TOML: {shown(what)}",
            hint="texts stand in quotes, tables in [brackets]",
        ) from err
    except RecursionError as err:
        raise SiteError(f"{site.file_name}:1: not TOML: nested too deeply") from err
