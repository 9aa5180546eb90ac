"""The keys of actions as the user has set them: what is in force, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from auxtui.action_values import Action
from auxtui.inert import safe

MOVING = frozenset(
    [
        "up",
        "down",
        "left",
        "right",
        "k",
        "j",
        "h",
        "l",
        "g",
        "G",
        "home",
        "end",
        "pageup",
        "pagedown",
        "ctrl+b",
        "ctrl+f",
        "tab",
        "shift+tab",
        "ctrl+c",
    ]
)
"""Keys of the tables and of the terminal, which no action can have."""
_KEEPS = frozenset({"thing.open"})
"""Whose key is the tables' own."""
_SIMILAR_ENOUGH = 70  # of 100; below it a suggestion misleads


def keys_in_force(actions: Iterable[Action], own: Mapping[str, str]) -> dict[str, str]:
    """Keys by action id."""
    return {action.id: own.get(action.id, action.keys) for action in actions}


def faults(actions: Iterable[Action], own: Mapping[str, str]) -> list[str]:
    """What is wrong with `[keys]` of config.toml: one sentence each; empty: nothing."""
    known = {action.id: action for action in actions}
    found: list[str] = []
    for name, keys in own.items():
        if name not in known:
            found.append(f'there is no action "{safe(name)}"{_nearest(name, known)}')
        elif name in _KEEPS:
            found.append(f"{name} keeps its key: it is that of the tables")
        else:
            found += [
                f'{name}: "{key}" moves in every list, it cannot be a key of an action'
                for key in _split(keys)
                if key in MOVING
            ]
    return found + _clashes(known, own)


def _nearest(name: str, known: Iterable[str]) -> str:
    from rapidfuzz import fuzz, process  # not needed for the first paint

    best = process.extractOne(name, list(known), scorer=fuzz.ratio, score_cutoff=_SIMILAR_ENOUGH)
    return f'; did you mean "{best[0]}"?' if best else ""


def _clashes(known: Mapping[str, Action], own: Mapping[str, str]) -> list[str]:
    """Actions that can be meant in one place and have got the same key."""
    in_force = keys_in_force(known.values(), own)
    found: list[str] = []
    for name in own:
        if name not in known:
            continue
        for other, action in known.items():
            if other == name or (other in own and other < name):
                continue
            common = set(_split(in_force[name])) & set(_split(in_force[other]))
            before = set(_split(known[name].keys)) & set(_split(action.keys))
            if common - before and _can_meet(known[name], action):
                key = min(common - before)
                found.append(f'"{key}" is the key of {name} and of {other}: give one another key')
    return found


def _can_meet(one: Action, other: Action) -> bool:
    """Whether both can be meant with the cursor on one thing, on one screen."""
    return not one.kinds or not other.kinds or bool(one.kinds & other.kinds)


def _split(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",") if key.strip()]
