"""Style rules are read once in a test process: hundreds of consoles have the same ones."""

from __future__ import annotations

from typing import Any

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

_read = Stylesheet._parse_rules
_rules: dict[tuple[tuple[str, str], ...], dict[tuple[Any, ...], list[RuleSet]]] = {}
"""By the variables of a theme, then by the text and where it comes from."""


def read_once(patch: pytest.MonkeyPatch) -> None:
    """A stylesheet takes the rules that another has read from the same text with the same variables."""
    patch.setattr(Stylesheet, "_parse_rules", _known_rules)


def _known_rules(self: Stylesheet, *text: Any, **options: Any) -> list[RuleSet]:
    known = _rules.setdefault(tuple(self._variables.items()), {})
    key = (*text, *options.items())
    if key not in known:
        known[key] = _read(self, *text, **options)
    return known[key]
