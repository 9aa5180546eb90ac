"""What the actions on the configuration do: open forms, and take items away after a question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from auxtui.action_values import Action, Target
from auxtui.asking import begin, tell_error
from auxtui.feed import in_thread
from auxtui.inert import safe
from auxtui.nodes import node_name
from auxtui.present import Tone
from auxtui.site_forms import Place, change_facts, place_of
from auxtui.site_keys import kind_word
from auxtui.targets import key_of
from engine.catalog.live_values import LiveClient, LiveCopy, LivePolicy, LiveSubclient
from engine.model.errors import AuxError

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Targets = tuple[Target, ...]
Hand = Callable[["ConsoleScreen", Targets], None]
_KINDS = {"agent": "media_agent"}
"""Kinds of the tree that the site file calls otherwise."""


def _kind(target: Target) -> str:
    return _KINDS.get(target.kind, target.kind)


def _owner(target: Target) -> str:
    """The policy of a copy, the client of a subclient."""
    value = target.value
    if isinstance(value, LiveCopy):
        return value.policy
    return value.client if isinstance(value, LiveSubclient) else ""


def _own_name(target: Target) -> str:
    return str(getattr(target.value, "name", target.name))


def place_of_target(target: Target) -> Place:
    """The keys of the table of what the cursor is on."""
    return place_of(_kind(target), _own_name(target), _owner(target))


def _form(screen: ConsoleScreen, kind: str, **given: Any) -> None:
    from auxtui.screens.site_form import SiteFormScreen, WindowFormScreen

    make = WindowFormScreen if kind == "window" else SiteFormScreen

    def applied(name: str | None) -> None:
        if name is not None:
            owner = str(given.get("owner", ""))
            screen.console.look_anew(lambda: _put_cursor(screen, kind, name, owner))
            screen.flash(f"{kind_word(kind)} {safe(name)} is applied", Tone.OK)

    loaded = screen.console.hold_keys()
    screen.app.push_screen(make(kind, loaded=loaded, **given), applied)


def _put_cursor(screen: ConsoleScreen, kind: str, name: str, owner: str) -> None:
    """Puts the cursor on what was applied: the next key is for that, not for the row that was there."""
    estate = screen.console.state.estate
    key = key_of(estate, kind, name, owner) if estate is not None else None
    if key is not None and screen.is_current:
        screen.put_cursor(key)


def _edit(screen: ConsoleScreen, targets: Targets) -> None:
    target = targets[0]
    _form(screen, _kind(target), name=_own_name(target), owner=_owner(target))


def _new(kind: str) -> Hand:
    def hand(screen: ConsoleScreen, targets: Targets) -> None:
        value = targets[0].value if targets else None
        owner, proposed = "", {}
        if kind == "copy":
            owner = value.policy if isinstance(value, LiveCopy) else _policy_name(value)
        elif kind == "subclient":
            owner = value.client if isinstance(value, LiveSubclient) else _client_name(value)
        elif kind == "window" and targets:
            node = node_name(targets[0].kind, value)
            proposed = {"on": [node]} if node else {}
        _form(screen, kind, owner=owner, is_new=True, proposed=proposed)

    return hand


def _new_here(screen: ConsoleScreen, targets: Targets) -> None:
    """The one thing that can be new here, or a list of them."""
    from auxtui.actions import tasks_for
    from auxtui.screens.menu import MenuScreen

    offered = [action for action in tasks_for(targets[0]) if action.id.startswith("new.")]
    offered.sort(key=lambda action: action.id != screen.NEW_FIRST)
    if len(offered) == 1:
        screen.do(offered[0], targets)
        return

    def chosen(action: Action | None) -> None:
        if action is not None:
            screen.do(action, targets)

    screen.app.push_screen(MenuScreen(targets, screen.console.world, offered), chosen)


def _policy_name(value: object) -> str:
    return value.name if isinstance(value, LivePolicy) else ""


def _client_name(value: object) -> str:
    return value.name if isinstance(value, LiveClient) else ""


GUIDE_WAIT_S = 0.2  # until the estate has been read again
GUIDE_WAITS = 100


def _guide(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.first_run import FirstRunScreen

    def done(policy: str | None) -> None:
        if policy is None:
            screen.flash("First Steps: left; nothing was changed")
            return
        screen.console.look_anew()
        screen.console.run_worker(_plan(screen, policy), name="First Steps", exit_on_error=False)

    screen.app.push_screen(FirstRunScreen(), done)


async def _plan(screen: ConsoleScreen, policy: str) -> None:
    """Opens the dialog of the first run as soon as the console has read the new configuration."""
    from auxtui.hands import open_run_dialog

    for _ in range(GUIDE_WAITS):
        estate = screen.console.state.estate
        if estate is not None and any(found.name == policy for found in estate.policies):
            open_run_dialog(screen, policy, {})
            return
        await asyncio.sleep(GUIDE_WAIT_S)
        screen.console.look_anew()
    screen.flash(f"policy {safe(policy)} is not read yet: r on it opens its first run", Tone.WARN)


def _delete(screen: ConsoleScreen, targets: Targets) -> None:
    target = targets[0]
    _soon(screen, "Delete", _ask_delete(screen, target))


async def _ask_delete(screen: ConsoleScreen, target: Target) -> None:
    """Asks the engine what would go, then the user for the name."""
    from auxtui.screens.ask import TypeNameScreen

    door, place = screen.console.door, place_of_target(target)
    try:
        before = _table(await in_thread(door.site), place)
        outcome = await in_thread(lambda: door.edit(place, None, before, dry_run=True))
    except AuxError as err:
        tell_error(screen, f"Delete {target.name}", err)
        return
    lines = [f"{label} {cell.text}".strip() for label, cell in change_facts(outcome.changes)]
    text = f"Delete {kind_word(_kind(target))} {target.name}? It cannot be taken back. This goes:"

    def answered(yes: bool | None) -> None:
        if not yes:
            screen.flash("Delete: not done")
            return

        async def task() -> str:
            await in_thread(lambda: door.edit(place, None, before, dry_run=False))
            return f"{kind_word(_kind(target))} {target.name} is deleted"

        begin(screen, f"Delete {target.name}", task())

    shown = "\n".join([text, *(safe(f"  {line}") for line in lines)])
    screen.app.push_screen(TypeNameScreen("Delete", shown, target.name), answered)


def _toml(screen: ConsoleScreen, targets: Targets) -> None:
    target = targets[0]
    _soon(screen, "TOML", _show_toml(screen, target))


async def _show_toml(screen: ConsoleScreen, target: Target) -> None:
    from auxtui.screens.help import TextScreen
    from auxtui.screens.site_form import toml_facts

    door, place = screen.console.door, place_of_target(target)
    try:
        document = await in_thread(door.site)
    except AuxError as err:
        tell_error(screen, "Show as TOML", err)
        return

    def text() -> str:
        from engine.site.editing import item_text

        return item_text(dict(document), place)

    screen.app.push_screen(TextScreen(f"{target.name} as TOML", toml_facts(await in_thread(text))))


def _soon(screen: ConsoleScreen, name: str, opening: Coroutine[Any, Any, None]) -> None:
    """Opens what has to read the configuration first; what is typed meanwhile is for that."""
    release = screen.console.hold_keys()

    async def opened() -> None:
        try:
            await opening
        finally:
            release()

    screen.console.run_worker(opened(), name=name, exit_on_error=False)


def _table(document: Mapping[str, Any], place: Place) -> dict[str, Any]:
    from engine.site.editing import own_keys, table_at

    return own_keys(place, table_at(dict(document), place) or {})


SITE_HANDS: dict[str, Hand] = {
    "console.guide": _guide,
    "item.edit": _edit,
    "item.new": _new_here,
    "item.delete": _delete,
    "item.toml": _toml,
    **{
        f"new.{kind}": _new(kind)
        for kind in (
            "copy",
            "policy",
            "library",
            "media_agent",
            "client",
            "subclient",
            "schedule",
            "window",
            "alert",
        )
    },
}
