"""Which copy reads from which: default source, cycles, order, names of new copies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from engine.model.errors import UsageError
from engine.model.names import shown
from engine.model.states import CopyKind
from engine.policy.values import CopyRules


def resolve_sources(copies: Sequence[CopyRules]) -> tuple[CopyRules, ...]:
    """The copies of one policy with every source filled in: the primary where nothing is said.

    Without a primary among them the sources must have been filled in, and may lie outside.

    Raises:
        UsageError: several primaries, a source that is not a copy of the policy, or a cycle.
    """
    primaries = [copy.copy_id for copy in copies if copy.kind is CopyKind.PRIMARY]
    if len(primaries) > 1:
        raise UsageError(f"a policy has one primary copy, this one has {len(primaries)}")
    resolved = tuple(_with_source(copy, primaries) for copy in copies)
    known = {copy.copy_id for copy in copies}
    for copy in resolved if primaries else ():
        if copy.source_copy_id is not None and copy.source_copy_id not in known:
            raise UsageError(f"the source of copy {copy.name!r} is not a copy of its policy")
    cycle = source_cycle(resolved)
    if cycle:
        raise UsageError(
            f"copies read from each other in a circle: {' -> '.join(cycle)}",
            hint="give one of them the primary as its source",
        )
    return resolved


def _with_source(copy: CopyRules, primaries: Sequence[int]) -> CopyRules:
    if copy.kind is CopyKind.PRIMARY or copy.source_copy_id is not None:
        return copy
    if not primaries:
        raise UsageError(f"copy {copy.name!r} has no source, and its policy no primary copy")
    return replace(copy, source_copy_id=primaries[0])


def source_cycle(copies: Iterable[CopyRules]) -> list[str]:
    """Names along a cycle of sources, its first name repeated at the end; empty when there is none."""
    by_id = {copy.copy_id: copy for copy in copies}
    cleared: set[int] = set()
    for start in by_id.values():
        path: list[int] = []
        at: int | None = start.copy_id
        while at is not None and at in by_id and at not in cleared and at not in path:
            path.append(at)
            at = by_id[at].source_copy_id
        if at is not None and at in path:
            return [by_id[i].name for i in [*path[path.index(at) :], at]]
        cleared.update(path)
    return []


def source_order(copies: Sequence[CopyRules]) -> list[CopyRules]:
    """The secondary copies, each after its source; by precedence among equals."""
    by_id = {copy.copy_id: copy for copy in copies}

    def depth(copy: CopyRules) -> int:
        steps, at = 0, copy.source_copy_id
        while at in by_id:
            steps, at = steps + 1, by_id[at].source_copy_id
        return steps

    secondary = [copy for copy in copies if copy.kind is not CopyKind.PRIMARY]
    return sorted(secondary, key=lambda copy: (depth(copy), copy.precedence, copy.copy_id))


def chosen_copies(copies: Sequence[CopyRules], names: Collection[str]) -> list[CopyRules]:
    """The copies that a run is for: those named, or all active secondary ones.

    Raises:
        UsageError: a name that is no copy, or is the primary.
    """
    secondary = [copy for copy in copies if copy.kind is not CopyKind.PRIMARY]
    if not names:
        return [copy for copy in secondary if copy.active]
    by_name = {copy.name: copy for copy in secondary}
    for name in names:
        if name in by_name:
            continue
        if any(copy.name == name for copy in copies):
            raise UsageError(
                f"copy {shown(name)!r} is the primary: it is what the others are made from",
                hint=_choices(by_name),
            )
        from rapidfuzz import process  # slow to import, and only a wrong name needs it

        nearest = process.extractOne(name, list(by_name), score_cutoff=60)
        hint = f"did you mean {nearest[0]!r}?" if nearest else _choices(by_name)
        raise UsageError(f"there is no copy {shown(name)!r} in this policy", hint=hint)
    return [by_name[name] for name in dict.fromkeys(names)]


def _choices(names: Collection[str]) -> str:
    if not names:
        return "this policy has no secondary copy yet"
    return f"its secondary copies: {', '.join(names)}"


def next_copy_name(names: Collection[str]) -> str:
    """The next free `Copy_n` name, n from 2: the primary counts as the first copy."""
    taken = {name.casefold() for name in names}
    number = 2
    while f"copy_{number}" in taken:
        number += 1
    return f"Copy_{number}"
