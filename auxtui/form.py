"""Forms: fields, what was typed into them, and what is wrong with it. Pure; knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from auxtui.present import Cell, Fact

Values = Mapping[str, str | bool]
"""What stands in the fields, by name."""
NOTHING = Cell("")
Kind = Literal["text", "check", "choice"]


def _always(values: Values) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field of a form."""

    name: str
    label: str
    help: str = ""
    """One line, shown while the field has the focus; says the default and the unit."""
    kind: Kind = "text"
    value: str | bool = ""
    """What stands there at the start."""
    choices: tuple[tuple[str, str], ...] = ()
    """Label and value of each, for a choice."""
    tab: str = ""
    applies: Callable[[Values], bool] = _always
    """Whether it is of use with what stands in the other fields; else it is hidden."""
    fixed: bool = False
    """Shown, and not to be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the engine says of a form as it is filled in now."""

    wrong: Mapping[str, str] = field(default_factory=dict)
    """By field; under an empty name what concerns the whole form."""
    said: Cell = NOTHING
    """What will happen, in one line."""
    facts: Sequence[Fact] = ()
    """More about it, below the fields."""
    outcome: Any = None
    """What the engine gave, for the one who goes on with just these values."""

    @property
    def is_good(self) -> bool:
        """True when nothing is wrong."""
        return not self.wrong


def tabs_of(fields: Sequence[FormField]) -> tuple[str, ...]:
    """The tabs in the order in which fields name them."""
    return tuple(dict.fromkeys(one.tab for one in fields))


def badges(wrong: Mapping[str, str], fields: Sequence[FormField]) -> dict[str, str]:
    """For each tab with wrong fields, how many, as `(2!)`."""
    counts: dict[str, int] = {}
    for one in fields:
        if one.name in wrong:
            counts[one.tab] = counts.get(one.tab, 0) + 1
    return {tab: f"({count}!)" for tab, count in counts.items()}


def first_wrong(wrong: Mapping[str, str], fields: Sequence[FormField]) -> FormField | None:
    """The first field that is wrong, in the order of the form."""
    return next((one for one in fields if one.name in wrong), None)


def words(text: str) -> list[str]:
    """A list as it is typed: separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
