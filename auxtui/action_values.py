"""What an action is, what it is about, and what decides whether it is possible. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar


class Confirm(IntEnum):
    """How sure one must be."""

    NONE = 0
    ASK = 1
    """Yes or no."""
    TYPE = 2
    """The name of what is lost must be typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The thing that an action is about: what the cursor is on, or what is marked."""

    kind: str
    """aging, path, job, policy, copy, job-copy, backup-job, client, subclient, library, agent, commcell."""
    id: int
    name: str
    value: Any = None
    """The value of the catalog; what it is follows from the kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What else decides whether an action is possible."""

    service_alive: bool = True
    read_only: bool = False
    catalog_ok: bool = True
    outdated: bool = False
    """The catalog is of an older form, and can be brought up to date."""
    configured: bool = False
    """There is a storage policy, a library or a client."""
    undo: str = ""
    """What can be taken back; empty: nothing."""
    switched_off: frozenset[str] = frozenset()
    """Nodes on which activity is switched off now."""
    active_jobs: int = 0
    landing_policies: frozenset[str] = frozenset()
    """Policies with a landing subclient: what lands is their primary."""


Because = Callable[[Target | None, World], str]
Targets = tuple[Target, ...]
V = TypeVar("V")


def about(kind: type[V], otherwise: str = "") -> Callable[[Callable[[V], str]], Because]:
    """Makes a rule about one kind of value the reason of an action.

    Args:
    kind: what the rule takes.
    otherwise: the reason where the target is nothing of this kind; empty: possible.
    """

    def of(rule: Callable[[V], str]) -> Because:
        def because(target: Target | None, world: World) -> str:
            value = target.value if target else None
            return rule(value) if isinstance(value, kind) else otherwise

        return because

    return of


def values_of(kind: type[V], targets: Sequence[Target]) -> list[V]:
    """The values of this kind among the targets."""
    return [target.value for target in targets if isinstance(target.value, kind)]


def _always(target: Target | None, world: World) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that can be done."""

    id: str
    keys: str
    """Comma separated, as Textual names them; the first one is shown."""
    label: str
    help: str
    kinds: frozenset[str] = frozenset()
    """Kinds of targets; empty: about the screen or the console."""
    needs: str = ""
    """What the screen must be able to do: filter, mark, sort ..."""
    confirm: Confirm = Confirm.NONE
    consequence: Callable[[Sequence[Target]], str] | None = None
    """What it will do to these things, in words, for the question."""
    bulk: bool = True
    """Can be done to several things at once."""
    changes: bool = False
    """Asks the engine to change something: not possible in read-only mode."""
    because: Because = _always
    hint_rank: int = 9
    """Place in the hint line; 9: not there."""

    def disabled_because(self, target: Target | None, world: World) -> str:
        """Why it is not possible now; empty when it is."""
        if self.changes and world.read_only:
            return "this console is read-only"
        if self.changes and not world.catalog_ok:
            return "the catalog cannot be reached"
        return self.because(target, world)


_NUMBERED = {"job": "job", "alarm": "alarm", "job-copy": "backup job", "backup-job": "backup job"}


def named(targets: Sequence[Target]) -> str:
    """The things by name: the first five, and how many more."""
    word = _NUMBERED.get(targets[0].kind) if len(targets) > 1 else None
    names = [str(target.id) if word else target.name for target in targets[:5]]
    more = f" and {len(targets) - 5} more" if len(targets) > 5 else ""
    return f"{word}s {', '.join(names)}{more}" if word else ", ".join(names) + more
