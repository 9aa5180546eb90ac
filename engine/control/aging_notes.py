"""What a change of retention lets go, said before data aging does it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from engine.catalog import config
from engine.catalog.home import Home
from engine.operations.aging_decision import CopyDecision, decide_in
from engine.operations.planning import load_scope
from engine.site.configuration import CopyItem
from engine.site.diffing import Change, ChangeKind

_KEYS = frozenset({"retain", "retain_cycles", "extended"})


def retention_notes(
    session: Session, home: Home, changes: list[Change], wanted: list[CopyItem], now: datetime
) -> list[Change]:
    """A warning for each copy of which more would go by its new retention than by its old one.

    Args:
        session: any session, before the changes are stored.
        home: for the manifests of landing jobs.
        changes: what is applied.
        wanted: the copies as they shall be.
        now: aware.
    """
    labels = {
        change.name
        for change in changes
        if change.kind == CopyItem.kind_name
        and change.change is ChangeKind.CHANGED
        and _KEYS & change.fields.keys()
    }
    policies = {policy.name for policy in config.policies(session)}
    notes = []
    for item in wanted:
        if item.label not in labels or item.policy not in policies:
            continue
        before = _decided(session, home, item, now, is_new=False)
        after = _decided(session, home, item, now, is_new=True)
        if after is None or before is None or after[0] <= before[0]:
            continue
        going, held, is_stopped = after
        which = f"{going} of its {held} job copies" if held > 1 else "its only job copy"
        verb = "go" if going > 1 else "goes"
        until = " when the deletion fuse is confirmed" if is_stopped else ""
        notes.append(
            Change(
                kind=CopyItem.kind_name,
                name=item.label,
                change=ChangeKind.WARNING,
                note=f"{which} {verb} at the next data aging{until}; see auxtui aging --dry-run",
            )
        )
    return notes


def _decided(
    session: Session, home: Home, item: CopyItem, now: datetime, *, is_new: bool
) -> tuple[int, int, bool] | None:
    """How many job copies go, how many there are, and whether the fuse stops some."""
    scope = load_scope(session, item.policy)
    copy = next((copy for copy in scope.copies.values() if copy.name == item.name), None)
    if copy is None:
        return None
    if is_new:
        scope.copies[copy.id] = replace(
            copy,
            retain_s=item.retain_s,
            retain_cycles=item.retain_cycles,
            extended=item.extended,
            take=item.take,
        )
    decided: list[CopyDecision] = [
        one
        for one in decide_in(session, home, scope, now, confirmed=False).copies
        if one.copy.id == copy.id
    ]
    (one,) = decided
    return len(one.aging) + len(one.stopped), len(one.lines), bool(one.stopped)
