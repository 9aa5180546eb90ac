"""What can be done about data aging: its preview, the run, and what is held. Part of `actions`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auxtui import format as fmt
from auxtui.action_values import Action, Confirm, Target, World, named
from auxtui.aging import fuse_words, going, held, size_of, stopped

AGING = frozenset({"aging"})


def _found(target: Target | None) -> tuple[str | None, Mapping[str, Any]]:
    """The policy and the preview of a target."""
    return target.value if target and target.kind == "aging" else (None, {})


def _nothing_goes(target: Target | None, world: World) -> str:
    document = _found(target)[1]
    return "" if going(document) or stopped(document) else "retention keeps everything"


def _nothing_held(target: Target | None, world: World) -> str:
    policy, document = _found(target)
    if policy is None:
        return "choose one policy: what waits is given up policy by policy"
    return "" if held(document) else "nothing is held for a copy that waits"


def _aged(targets: Sequence[Target]) -> str:
    document = _found(targets[0])[1] if targets else {}
    lines = going(document) + stopped(document)
    first = ", ".join(str(one["backup_job_id"]) for one in lines[:5])
    more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    jobs = "backup job" if len(lines) == 1 else "backup jobs"
    many = len(stopped(document))
    fuses = "".join(f" The deletion fuse says: {text}." for text in fuse_words(document))
    if many:
        fuses = f" The deletion fuse stopped {many} of them; the name lets them go.{fuses}"
    return (
        f"Delete {fmt.count(len(lines), 'job copy')} of {named(targets)}, {size_of(lines)}:"
        f" {jobs} {first}{more}? What is deleted cannot be taken back.{fuses}"
    )


def _released(targets: Sequence[Target]) -> str:
    lines = held(_found(targets[0])[1]) if targets else []
    return (
        f"Give up what copies of {named(targets)} still wait for? {fmt.count(len(lines), 'job copy')}"
        " may then go, and will never be on the copies that wait. It is logged with your name."
    )


AGING_ACTIONS: tuple[Action, ...] = (
    Action(
        id="policy.aging",
        keys="D",
        label="Data Aging",
        help="What retention would take away now, and what holds the rest; then the run.",
        kinds=frozenset({"policy", "copy", "policies", "commcell"}),
        bulk=False,
    ),
    Action(
        id="aging.run",
        keys="r",
        label="Run Data Aging",
        help="Deletes what would go and what the deletion fuse stopped, after its name is typed.",
        kinds=AGING,
        changes=True,
        confirm=Confirm.TYPE,
        consequence=_aged,
        because=_nothing_goes,
        hint_rank=0,
    ),
    Action(
        id="aging.release",
        keys="L",
        label="Release What Is Held",
        help="Gives up what copies wait for, where nothing else keeps it; it is logged.",
        kinds=AGING,
        changes=True,
        confirm=Confirm.TYPE,
        consequence=_released,
        because=_nothing_held,
        hint_rank=3,
    ),
)
