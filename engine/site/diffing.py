"""What must change so that one configuration becomes another."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from engine.site.configuration import Configuration, Item
from engine.site.rendering import differing, rendered


class ChangeKind(StrEnum):
    """What happens to an item."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    WARNING = "warning"
    """Nothing was changed: something about it needs attention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One changed item of the configuration."""

    kind: str
    """commcell, media_agent, library, policy, copy, client, subclient, window, schedule, alert."""
    name: str
    """`policy/copy` and `client/subclient` for those that belong to something."""
    change: ChangeKind
    fields: dict[str, list[Any]] = field(default_factory=dict)
    """Key of the site file -> before and after; before is None for what is added."""
    note: str = ""
    """What is to be known or done about it; one sentence."""

    def document(self) -> dict[str, Any]:
        """The change as an object of the JSON contract."""
        return {
            "kind": self.kind,
            "name": self.name,
            "change": self.change.value,
            "fields": self.fields,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The items that differ, each list in an order in which it can be worked through."""

    added: list[Item]
    changed: list[tuple[Item, Item]]
    """Before and after."""
    removed: list[Item]
    """What refers to others before what is referred to."""


def difference(current: Configuration, wanted: Configuration) -> Difference:
    """Compares two configurations item by item."""
    before, after = current.by_place(), wanted.by_place()
    return Difference(
        added=[item for place, item in after.items() if place not in before],
        changed=[
            (before[place], item)
            for place, item in after.items()
            if place in before and before[place] != item
        ],
        removed=[before[place] for place in reversed(before) if place not in after],
    )


def changes_of(found: Difference, current: Configuration, wanted: Configuration) -> list[Change]:
    """The difference in words of the site file."""
    changes = [
        Change(
            kind=item.kind_name,
            name=item.label,
            change=ChangeKind.ADDED,
            fields={key: [None, value] for key, value in differing(item, wanted.commcell).items()},
        )
        for item in found.added
    ]
    for before, after in found.changed:
        old = rendered(before, current.commcell.time_zone)
        new = rendered(after, wanted.commcell.time_zone)
        keys = [*new, *(key for key in old if key not in new)]
        fields = {key: [old.get(key), new.get(key)] for key in keys if old.get(key) != new.get(key)}
        changes.append(
            Change(kind=after.kind_name, name=after.label, change=ChangeKind.CHANGED, fields=fields)
        )
    changes.extend(
        Change(kind=item.kind_name, name=item.label, change=ChangeKind.REMOVED)
        for item in found.removed
    )
    return changes
