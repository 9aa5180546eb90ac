"""The configuration of a catalog as a site file: applying it changes nothing."""

from __future__ import annotations

from typing import Any

import tomli_w

from engine.catalog.opening import Catalog
from engine.model.states import CopyKind
from engine.site.configuration import Configuration, CopyItem, Item
from engine.site.current import current_configuration
from engine.site.rendering import differing


def export_site(catalog: Catalog) -> str:
    """A site file with what differs from the defaults, in a stable order."""
    with catalog.read() as session:
        return site_text(current_configuration(session))


def site_text(configuration: Configuration) -> str:
    """A configuration as TOML."""
    document: dict[str, Any] = {}
    numbered = _numbers_to_say(configuration)
    for place, item in _in_file_order(configuration).items():
        table = differing(item, configuration.commcell)
        if isinstance(item, CopyItem):
            table = _without_none(table)
            if item.policy in numbered:
                table["precedence"] = item.precedence
            if not table and item.kind is CopyKind.PRIMARY:
                continue  # made by itself
        at = document
        for key in place[:-1]:
            at = at.setdefault(key, {})
        at.setdefault(place[-1], {}).update(table)
    return tomli_w.dumps(document)


def _in_file_order(configuration: Configuration) -> dict[tuple[str, ...], Item]:
    """Clients before policies, as people read; otherwise as they are."""
    items = configuration.by_place()
    order = ("commcell", "media_agents", "libraries", "clients", "policies")
    later = len(order)
    return dict(
        sorted(
            items.items(),
            key=lambda pair: order.index(pair[0][0]) if pair[0][0] in order else later,
        )
    )


def _numbers_to_say(configuration: Configuration) -> set[str]:
    """Policies whose precedences are not those that their copies would get by themselves."""
    said: set[str] = set()
    for policy in configuration.policies:
        copies = configuration.copies_of(policy)
        copies.sort(key=lambda copy: copy.kind is not CopyKind.PRIMARY)
        if [copy.precedence for copy in copies] != list(range(1, len(copies) + 1)):
            said.add(policy)
    return said


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}
