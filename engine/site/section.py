"""Typed access to one table of the site file; every fault is one message with file, line and key."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from engine.model.errors import SiteError, UsageError
from engine.model.names import shown
from engine.policy.zones import zone_of
from engine.site.positions import KeyPath, Positions

T = TypeVar("T")

MAX_NAME_LENGTH = 64
_NAME = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9 ._-]*[A-Za-z0-9._-])?")
_RESERVED_NAMES = frozenset({"auxtui-library.json"})  # stands in the root of a library
_SIMILAR_ENOUGH = 55  # of 100; below it a suggestion misleads
_TYPE_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    list: "a list",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """A half sentence `; did you mean "x"?` with the nearest of the known words, or nothing."""
    from rapidfuzz import fuzz, process  # slow to import, and only a wrong word needs it

    best = process.extractOne(
        word, sorted(set(known)), scorer=fuzz.ratio, score_cutoff=_SIMILAR_ENOUGH
    )
    return f'; did you mean "{best[0]}"?' if best else ""


class SiteText:
    """The text of a site file with the line of each key.

    Args:
        text: the whole file; tomllib has accepted it.
        file_name: as it is to be shown.
    """

    def __init__(self, text: str, file_name: str) -> None:
        self.file_name = shown(file_name)
        self._text = text
        self._positions: Positions | None = None

    def error(self, path: KeyPath, message: str, *, hint: str = "") -> SiteError:
        """An error about a key: `FILE:LINE: table.key: message`."""
        if self._positions is None:
            self._positions = Positions(self._text)
        where = f"{self.file_name}:{self._positions.line_of(path)}"
        key = dotted(path)
        if not self.file_name:  # not a file: an option of the command line, or a form
            return SiteError(message, hint=hint, path=tuple(path))
        text = f"{where}: {key}: {message}" if key else f"{where}: {message}"
        return SiteError(text, hint=hint, path=tuple(path))


def dotted(path: KeyPath) -> str:
    """A path as it is written in the file, positions in lists counted from 1."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            key = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{shown(part)}"'
            text += f".{key}" if text else key
    return text


class Section:
    """One table of the file, read key by key.

    Args:
        site: the file.
        path: where the table stands.
        values: what tomllib read.
        keys: the keys that this table may have; None: names chosen by the administrator.

    Raises:
        SiteError: an unknown key.
    """

    def __init__(
        self, site: SiteText, path: KeyPath, values: dict[str, Any], keys: Sequence[str] | None
    ) -> None:
        self.site = site
        self.path = path
        self._values = values
        if keys is None:
            return
        for key in values:
            if key not in keys:
                raise site.error(
                    (*path, key),
                    f'unknown key "{shown(key)}"{nearest(key, keys)}',
                    hint=f"keys here: {', '.join(keys)}" if keys else "no key can stand here",
                )

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def is_list(self, key: str) -> bool:
        """True when the key is there and holds a list."""
        return isinstance(self._values.get(key), list)

    def error(self, key: str | None, message: str, *, hint: str = "") -> SiteError:
        """An error about a key of this table, or about the table itself."""
        return self.site.error(self.path if key is None else (*self.path, key), message, hint=hint)

    def _typed(self, key: str, kind: type[T]) -> T | None:
        if key not in self._values:
            return None
        return self._checked(self._values[key], kind, (*self.path, key))

    def _checked(self, value: Any, kind: type[T], path: KeyPath) -> T:
        # bool is an int to Python, but `max_streams = true` is a mistake.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            given = _TYPE_WORDS.get(type(value), "a time")
            if isinstance(value, str):
                given = f'"{shown(value[:40])}"' if not self.site.file_name else "a text in quotes"
            raise self.site.error(path, f"must be {_TYPE_WORDS[kind]}, and is {given}")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A text, which is not blank when it is given."""
        value = self._typed(key, str)
        if value is None:
            return default
        if not value.strip():
            raise self.error(key, "must not be empty")
        return value

    def note(self, key: str) -> str:
        """A free text, which may be empty."""
        return self._typed(key, str) or ""

    def required(self, key: str) -> str:
        """A text that must be there."""
        if key not in self._values:
            raise self.error(None, f'needs "{key}"')
        return self.text(key)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._typed(key, bool)
        return default if value is None else value

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds, both included."""
        value = self._typed(key, int)
        if value is None:
            return default
        if not low <= value <= high:
            raise self.error(key, f"{value} is out of range, {low} to {high}")
        return value

    def choice(self, key: str, default: str, known: Sequence[str]) -> str:
        """One of the known words."""
        value = self.text(key, default) if default else self.required(key)
        if value not in known:
            raise self.error(
                key,
                f'"{shown(value)}" is not known{nearest(value, known)}',
                hint=f"one of: {', '.join(known)}",
            )
        return value

    def reference(self, key: str, value: str, known: Iterable[str], what: str) -> str:
        """A name that must be one of the things that the file defines."""
        names = sorted(set(known))
        if value not in names:
            listed = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
            raise self.error(
                key,
                f'there is no {what} "{shown(value)}"{nearest(value, names)}',
                hint=f"there is: {listed}" if names else f"the file has no {what}",
            )
        return value

    def parsed(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """A text that a parser of the rules understands."""
        if key not in self._values:
            return default
        text = self.text(key)
        return self.understood(key, lambda: parse(text))

    def understood(self, key: str | None, parse: Callable[[], T]) -> T:
        """Runs a parser of the rules and gives its refusal the file and the line."""
        try:
            return parse()
        except UsageError as err:
            raise self.error(key, err.message, hint=err.hint) from err

    def zone(self, default: str) -> str:
        """The key `time_zone`: an IANA name."""
        name = self.text("time_zone", default)
        self.understood("time_zone", lambda: zone_of(name))
        return name

    def texts(self, key: str, *, unique: bool = True) -> tuple[str, ...]:
        """A list of texts, without repetitions unless they may be."""
        found: list[str] = []
        for number, value in enumerate(self._typed(key, list) or []):
            path = (*self.path, key, number)
            text = self._checked(value, str, path)
            if not text.strip():
                raise self.site.error(path, "must not be empty")
            if unique and text in found:
                raise self.site.error(path, f'"{shown(text)}" stands here twice')
            found.append(text)
        return tuple(found)

    def choices(self, key: str, known: Sequence[str], what: str) -> tuple[str, ...]:
        """A list of known words."""
        values = self.texts(key)
        for number, value in enumerate(values):
            if value not in known:
                listed = ", ".join(known[:12]) + (" ..." if len(known) > 12 else "")
                raise self.site.error(
                    (*self.path, key, number),
                    f'there is no {what} "{shown(value)}"{nearest(value, known)}',
                    hint=f"there is: {listed}" if known else f"the file has no {what}",
                )
        return values

    def tables(self, key: str, keys: Sequence[str]) -> tuple[dict[str, Any], ...]:
        """A list of inline tables with these keys, whose values are texts or dates."""
        found: list[dict[str, Any]] = []
        for number, value in enumerate(self._typed(key, list) or []):
            table = self._checked(value, dict, (*self.path, key, number))
            row = self.row(
                key, number, {name: _as_text(each) for name, each in table.items()}, keys
            )
            found.append({name: row.text(name) for name in keys if name in row})
        return tuple(found)

    def row(self, key: str, number: int, values: dict[str, Any], keys: Sequence[str]) -> Section:
        """One table of a list, for messages with its own line."""
        return Section(self.site, (*self.path, key, number), values, keys)

    def instant(self, key: str, zone: ZoneInfo) -> datetime | None:
        """A date (its first moment in the zone) or a time; text or TOML date."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            text = value
            try:
                value = datetime.fromisoformat(text)
            except ValueError as err:
                raise self.error(key, f'"{shown(text)}" is not a date like 2026-01-31') from err
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if not isinstance(value, datetime):
            raise self.error(key, "must be a date like 2026-01-31")
        aware = value.replace(tzinfo=zone) if value.tzinfo is None else value
        try:
            return aware.astimezone(UTC)
        except OverflowError as err:
            raise self.error(key, "is out of the range of dates") from err

    def table(self, key: str, keys: Sequence[str] | None) -> Section:
        """A table below this one; empty when it is not there."""
        return Section(self.site, (*self.path, key), self._typed(key, dict) or {}, keys)

    def named(self, key: str, keys: Sequence[str]) -> list[tuple[str, Section]]:
        """The tables `key.NAME`, each with a name that can be a directory's."""
        found: list[tuple[str, Section]] = []
        parent = self.table(key, None)
        for name in parent._values:
            parent._check_name(name)
            found.append((name, parent.table(name, keys)))
        return found

    def _check_name(self, name: str) -> None:
        # A name becomes a directory in a library and a word on the command line.
        if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name) or name in _RESERVED_NAMES:
            raise self.error(
                name,
                f'"{shown(name[: MAX_NAME_LENGTH + 1])}" cannot be a name',
                hint="letters, digits, spaces, dots, underscores and hyphens; at most "
                f"{MAX_NAME_LENGTH}, and no dot or space at its beginning",
            )

    def plain(self) -> dict[str, Any]:
        """All values as they were read, for a table whose meaning belongs to someone else."""
        for key, value in self._values.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise self.error(key, "must be a number")
        return dict(self._values)


def _as_text(value: Any) -> Any:
    """A bare TOML date as the text that it would be in quotes."""
    is_date = isinstance(value, date) and not isinstance(value, datetime)
    return value.isoformat() if is_date else value
