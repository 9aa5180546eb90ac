"""Where each key of a TOML text stands: tomllib gives values, but no lines.

A lenient scanner: it is only asked about texts that tomllib has accepted, so it checks nothing.
"""

from __future__ import annotations

import re

KeyPath = tuple[str | int, ...]
"""Keys from the root; an integer is a position in an array."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'
    + r"|'''.*?'{3,5}(?!')"
    + r'|"(?:[^"\\\n]|\\.)*"'
    + r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]*")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")


class Positions:
    """Line numbers of the keys, tables and array elements of one TOML text."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._array_sizes: dict[KeyPath, int] = {}
        self._scan()

    def line_of(self, path: KeyPath) -> int:
        """Line (from 1) of the key, or of the nearest table around it that is written down."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _note(self, path: KeyPath, at: int) -> None:
        line = self._text.count("\n", 0, at) + 1
        for depth in range(1, len(path) + 1):
            self._lines.setdefault(path[:depth], line)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match.group()

    def _peek(self, what: str) -> bool:
        return self._text.startswith(what, self._at)

    def _scan(self) -> None:
        table: KeyPath = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return
            start = self._at
            if self._peek("["):
                table = self._header()
                self._note(table, start)
            else:
                self._pair(table)
            if self._at == start:  # not TOML after all: never loop
                return

    def _header(self) -> KeyPath:
        is_array = self._peek("[[")
        self._at += 2 if is_array else 1
        path = self._absolute(self._key())
        if is_array:
            number = self._array_sizes.get(path, 0)
            self._array_sizes[path] = number + 1
            path = (*path, number)
        self._at += 2 if is_array else 1
        return path

    def _absolute(self, keys: list[str]) -> KeyPath:
        """Resolves a header that passes through arrays of tables to their last element."""
        path: KeyPath = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._array_sizes:
                path = (*path, self._array_sizes[path] - 1)
        return (*path, keys[-1])

    def _key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            token = self._skip(_STRING) if self._text[self._at : self._at + 1] in "\"'" else ""
            keys.append(_unquoted(token) if token else self._skip(_BARE))
            self._skip(_SPACE)
            if not self._peek("."):
                return keys
            self._at += 1

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        path = (*table, *self._key())
        self._note(path, start)
        if self._peek("="):
            self._at += 1
            self._skip(_SPACE)
            self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._peek("["):
            self._at += 1
            number = 0
            while self._more("]"):
                self._note((*path, number), self._at)
                self._value((*path, number))
                number += 1
        elif self._peek("{"):
            self._at += 1
            while self._more("}"):
                self._pair(path)
        elif not self._skip(_STRING):
            self._skip(_PLAIN_VALUE)

    def _more(self, end: str) -> bool:
        """Moves to the next element of an array or inline table; False past its end."""
        while True:
            self._skip(_BLANK)
            if self._peek(","):
                self._at += 1
                continue
            if self._peek(end):
                self._at += 1
                return False
            return self._at < len(self._text)


def _unquoted(token: str) -> str:
    if token.startswith("'"):
        return token[1:-1]

    def char(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] in "uU" and len(code) > 1:
            return chr(int(code[1:], 16))
        return _ESCAPES.get(code, code)

    return _ESCAPE.sub(char, token[1:-1])
