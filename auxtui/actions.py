"""Every action once: id, keys, label, help, what it is for, and why it is not possible now.

Key bindings, hint line, All Tasks menu, palette and help all come from this one table, whose parts are
in `actions_of_...`. Pure: what an action does is in `hands`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from auxtui.action_values import Action as Action
from auxtui.action_values import Target as Target
from auxtui.action_values import World as World
from auxtui.action_values import named
from auxtui.actions_of_aging import AGING_ACTIONS
from auxtui.actions_of_alerts import ALERT_ACTIONS
from auxtui.actions_of_copies import COPY_ACTIONS
from auxtui.actions_of_jobs import JOB_ACTIONS
from auxtui.actions_of_nodes import NODE_ACTIONS
from auxtui.actions_of_rules import RULE_ACTIONS
from auxtui.actions_of_site import SITE_ACTIONS
from auxtui.actions_of_views import OPENING, VIEW_ACTIONS

ACTIONS: tuple[Action, ...] = (
    *OPENING,
    *NODE_ACTIONS,
    *JOB_ACTIONS,
    *VIEW_ACTIONS,
    *COPY_ACTIONS,
    *RULE_ACTIONS,
    *SITE_ACTIONS,
    *AGING_ACTIONS,
    *ALERT_ACTIONS,
)
BY_ID = {action.id: action for action in ACTIONS}

_KEY_NAMES = {
    "asterisk": "*",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "comma": ",",
    "exclamation_mark": "!",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "escape": "esc",
}


def key_name(key: str) -> str:
    """A key as people write it."""
    return _KEY_NAMES.get(key, key)


_own_keys: dict[str, str] = {}


def use_keys(own: Mapping[str, str]) -> None:
    """From now on these actions have other keys: what hints, menus and help show."""
    _own_keys.clear()
    _own_keys.update({name: keys for name, keys in own.items() if name in BY_ID})


def keys_of(action: Action) -> list[str]:
    """The keys of an action that are in force, as Textual names them."""
    text = _own_keys.get(action.id, action.keys)
    return [key.strip() for key in text.split(",") if key.strip()]


def keys_text(action: Action) -> str:
    """All keys of an action as people write them."""
    return " ".join(key_name(key) for key in keys_of(action))


def applicable(
    kinds: Iterable[str], abilities: frozenset[str], *, actions: Sequence[Action] = ACTIONS
) -> list[Action]:
    """The actions that make sense for these targets on a screen with these abilities."""
    present = frozenset(kinds)
    return [
        action
        for action in actions
        if (not action.kinds or (present and present <= action.kinds))
        and (not action.needs or action.needs in abilities)
    ]


def tasks_for(target: Target) -> list[Action]:
    """What the All Tasks menu of a thing offers."""
    own = [a for a in ACTIONS if a.kinds and target.kind in a.kinds]
    if target.kind == "commcell":
        own += [a for a in ACTIONS if a.id.startswith("service.")]
    return own


def consequence(action: Action, targets: Sequence[Target]) -> str:
    """What a confirmed action will do, in words; names the things."""
    if action.consequence is not None:
        return action.consequence(targets)
    return (
        f"{action.label}: {named(targets)}? {action.help}"
        if targets
        else f"{action.label}? {action.help}"
    )
