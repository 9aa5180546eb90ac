"""Forms of the configuration: from a table of the site file to fields, and from fields to a table. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from auxtui import site_rows as rows
from auxtui.form import FormField, Values, words
from auxtui.present import Cell, Fact, Tone
from auxtui.site_key import Document, Key
from auxtui.site_keys import KEYS, TABLES, kind_word
from engine.model.errors import UsageError
from engine.model.states import CopyKind

NAME = "name"
PROTECTS = "protects"
BACKLOG = "backlog"
Place = tuple[str, ...]
_NEEDS = re.compile(r'needs "(\w+)"')
_CHANGE_SIGNS = {"added": "+", "changed": "~", "removed": "-", "warning": "!"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a form is about."""

    kind: str
    """commcell, media_agent, library, policy, copy, client, subclient, schedule, window, alert."""
    place: Place
    """Keys of its table; of a new one, the last is empty or a proposal."""
    before: Document | None
    """What stands there; None: it is new."""
    proposed: Mapping[str, Any] = field(default_factory=dict)
    """What stands in the fields of a new one at the start, where it is known."""

    @property
    def is_new(self) -> bool:
        """True when it is to be made."""
        return self.before is None


def place_of(kind: str, name: str, owner: str = "") -> Place:
    """The keys of the table of an item; `owner` is the policy of a copy, the client of a subclient."""
    if kind == "commcell":
        return ("commcell",)
    if kind == "copy":
        return ("policies", owner, "copies", name)
    if kind == "subclient":
        return ("clients", owner, "subclients", name)
    return (TABLES[kind], name)


def next_copy_name(document: Document, policy: str) -> str:
    """The next free `Copy_n` of a policy; the primary is the first copy."""
    taken = document.get("policies", {}).get(policy, {}).get("copies", {})
    number = 2
    while f"Copy_{number}" in taken:
        number += 1
    return f"Copy_{number}"


def fields_of(item: Item, document: Document) -> tuple[FormField, ...]:
    """The fields of an item with what stands in them.

    Args:
        item: what the form is about.
        document: the whole configuration, for the names to choose among.
    """
    before = item.proposed if item.before is None else item.before
    fields: list[FormField] = []
    if item.kind != "commcell":
        fields.append(
            FormField(
                name=NAME,
                label="Name",
                tab="General",
                help="Letters, digits, spaces, dots, underscores, hyphens. It never changes.",
                value=item.place[-1],
                fixed=not item.is_new,
            )
        )
    if item.kind == "subclient":
        fields.append(_protects(before, fixed=not item.is_new))
    for key in KEYS[item.kind]:
        fields.append(_field(key, item, before, document))
        if key.name == "on_and_after" and item.is_new:
            fields.append(_backlog())
    return tuple(fields)


def _protects(before: Mapping[str, Any], *, fixed: bool) -> FormField:
    return FormField(
        name=PROTECTS,
        label="Protects",
        tab="General",
        kind="choice",
        help="landing: adopts what others write; content: is backed up by auxtui.",
        choices=(("what others write (landing)", "landing"), ("its content", "content")),
        value="content" if "content" in before else "landing",
        fixed=fixed,
    )


def _backlog() -> FormField:
    return FormField(
        name=BACKLOG,
        label="Backlog",
        tab="Selection",
        kind="choice",
        help="Asked where the source holds more than 14 days or 10 TB.",
        choices=(
            ("not answered yet", ""),
            ("copy all of it", "all"),
            ("only on and after the date above", "date"),
        ),
        applies=lambda values: bool(values.get("kind") != CopyKind.PRIMARY),
    )


def _field(key: Key, item: Item, before: Mapping[str, Any], document: Document) -> FormField:
    value = before.get(key.name, key.default)
    is_primary_copy = item.kind == "copy" and _is_primary(item)
    fixed = is_primary_copy and key.name == "kind"
    if fixed:
        value = CopyKind.PRIMARY.value
    choices = _choices(key, item, document, is_primary_copy=is_primary_copy)
    if key.name == "source" and not value and choices:
        value = choices[0][1]
    if item.is_new and item.kind == "schedule" and key.name == "policy":
        value = next((name for _, name in choices if name), "")  # every auxiliary copy needs one
    return FormField(
        name=key.name,
        label=key.label,
        tab=key.tab,
        kind={"flag": "check", "choice": "choice"}.get(key.shape, "text"),  # type: ignore[arg-type]
        help=key.help,
        value=bool(value) if key.shape == "flag" else _text(key, value),
        choices=choices,
        applies=key.applies,
        fixed=fixed,
    )


def _is_primary(item: Item) -> bool:
    kind = (item.before or {}).get("kind")
    return kind == CopyKind.PRIMARY or (kind is None and item.place[-1] == "primary")


def _choices(
    key: Key, item: Item, document: Document, *, is_primary_copy: bool
) -> tuple[tuple[str, str], ...]:
    if key.among is None:
        words_only = tuple((word, word) for word in key.words)
        return ((key.may_be_empty, ""), *words_only) if key.may_be_empty else words_only
    names = [(name, name) for name in key.among(document, item.place)]
    may_be_empty = key.may_be_empty
    if item.kind == "copy" and key.name == "library" and not is_primary_copy:
        may_be_empty = ""
    if may_be_empty or not names:
        names.insert(0, (may_be_empty or "there is none", ""))
    return tuple(names)


def _text(key: Key, value: Any) -> str:
    if key.shape == "list":
        return ", ".join(map(str, value or ()))
    if key.shape == "periods":
        return rows.periods_text(value or ())
    if key.shape == "throttle":
        return rows.throttle_text(value)
    if key.shape == "extended":
        return rows.extended_text(value or ())
    if key.shape == "pairs":
        return rows.pairs_text(value or {})
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a form says: the place and the table, or what has not the shape of a value."""

    place: Place
    table: Document
    wrong: Mapping[str, str]


def table_of(item: Item, values: Values) -> Filled:
    """The table of the site file that a form says.

    Keys that the form does not know stay as they were; those that do not apply are left out.
    """
    known = {key.name for key in KEYS[item.kind]}
    table = {key: value for key, value in (item.before or {}).items() if key not in known}
    wrong: dict[str, str] = {}
    for key in KEYS[item.kind]:
        if not key.applies(values) or (item.kind == "copy" and key.name == "kind"):
            continue
        try:
            value = _value(key, values[key.name])
        except UsageError as err:
            wrong[key.name] = f"{err.message} ({err.hint})" if err.hint else err.message
            continue
        if value is not None and (value != key.default or key.is_kept):
            table[key.name] = value
    if item.kind == "copy":
        table["kind"] = str(values["kind"])
    name = str(values.get(NAME, item.place[-1])).strip()
    place = (*item.place[:-1], name) if item.is_new else item.place
    return Filled(place=place, table=table, wrong=wrong)


def _value(key: Key, typed: str | bool) -> Any:
    """The value of a key; None: it is left out."""
    if isinstance(typed, bool):
        return typed
    text = typed.strip()
    if key.shape == "list":
        return words(text)
    if key.shape == "periods":
        return rows.periods_from(text)
    if key.shape == "throttle":
        return rows.throttle_from(text)
    if key.shape == "extended":
        return rows.extended_from(text)
    if key.shape == "pairs":
        return rows.pairs_from(text)
    if key.shape == "number" and re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    return text or None


def is_needed(message: str) -> bool:
    """True for a refusal of an item that lacks a key: its hint is for those who write a site file."""
    return _NEEDS.search(message) is not None


def wrong_field(item: Item, place: Place, path: Sequence[str | int], message: str) -> str:
    """The field that an error of the engine is about; empty: the form as a whole."""
    names = {NAME, *(key.name for key in KEYS[item.kind])}
    if tuple(path[: len(place)]) != place:
        return ""
    if len(path) > len(place):
        return str(path[len(place)]) if path[len(place)] in names else ""
    needed = _NEEDS.search(message)
    if needed and needed[1] in names:
        return needed[1]
    return NAME if item.is_new else ""


def change_facts(changes: Sequence[Any]) -> list[Fact]:
    """What an edit changes, item by item, in the words of the site file.

    Args:
        changes: of the engine: kind, name, change, fields, note.
    """
    facts: list[Fact] = []
    for one in changes:
        tone = {"removed": Tone.BAD, "warning": Tone.WARN}.get(one.change, Tone.PLAIN)
        parts = [
            f"{key}: {_said(new)}" if old is None else f"{key}: {_said(old)} -> {_said(new)}"
            for key, (old, new) in one.fields.items()
        ]
        text = f"{one.name}  {'; '.join(parts)}" if parts else str(one.name)
        note = f"  ({one.note})" if one.note else ""
        facts.append(
            (f"{_CHANGE_SIGNS[one.change]} {kind_word(one.kind)}", Cell(text + note, tone))
        )
    return facts


def _said(value: Any) -> str:
    if isinstance(value, list):
        if value and all(isinstance(row, dict) and "from" in row for row in value):
            return rows.periods_text(value)  # of a window, or of a throttle by time
        return ", ".join(map(_said, value)) or "none"
    if isinstance(value, dict):
        return " ".join(str(each) for each in value.values())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None or value == "" else str(value)
