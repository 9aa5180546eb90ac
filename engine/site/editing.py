"""One item of the configuration changed, as a form does it: the site file's text with the change in it.

The text is judged by the code that judges a site file; nothing here knows what keys mean.
"""

from __future__ import annotations

import copy
import tomllib
from dataclasses import dataclass
from typing import Any

import tomli_w

from engine.model.errors import NotFoundError, SiteError, UsageError
from engine.model.names import shown
from engine.site.configuration import Place

Document = dict[str, Any]
BELOW = {"policies": "copies", "clients": "subclients"}
"""Tables that hold other items: what is in them is not the item's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEdit:
    """One item as it shall be."""

    place: Place
    """Keys of its table: `("policies", "databases", "copies", "offsite")`."""
    table: Document | None
    """Its keys and values as of the site file; None: it goes, with all that is below it."""
    before: Document | None
    """What stood there when one began; None: nothing."""


def own_keys(place: Place, table: Document) -> Document:
    """The keys of an item without the items below it."""
    below = BELOW.get(place[0]) if len(place) == 2 else None
    return {key: value for key, value in table.items() if key != below}


def table_at(document: Document, place: Place) -> Document | None:
    """The table of an item; None when the document has none."""
    at: Any = document
    for key in place:
        if not isinstance(at, dict) or key not in at:
            return None
        at = at[key]
    return at if isinstance(at, dict) else None


def edited(document: Document, edit: SiteEdit) -> Document:
    """The document with one item changed.

    Raises:
        SiteError: a new item has the name of another one.
        UsageError: the item is not any more what the edit began with.
        NotFoundError: what shall go is not there.
    """
    found = table_at(document, edit.place)
    now = None if found is None else own_keys(edit.place, found)
    if edit.before is None and now is not None:
        raise SiteError(
            f'there is a {_kind(edit.place)} "{shown(edit.place[-1])}" already',
            hint="give it another name",
            path=edit.place,
        )
    if (now or {}) != (edit.before or {}):
        raise UsageError(
            f'{_kind(edit.place)} "{shown(edit.place[-1])}" was changed meanwhile',
            hint="close the form and open it again",
        )
    result = copy.deepcopy(document)
    at = result
    for key in edit.place[:-1]:
        at = at.setdefault(key, {})
    name = edit.place[-1]
    if edit.table is not None:
        below = BELOW.get(edit.place[0]) if len(edit.place) == 2 else None
        kept = {key: value for key, value in at.get(name, {}).items() if key == below}
        at[name] = {**edit.table, **kept}
    elif name in at:
        del at[name]
    else:
        raise NotFoundError(f'there is no {_kind(edit.place)} "{shown(name)}" to remove')
    return result


def document_of(text: str) -> Document:
    """A site file that auxtui wrote, as values."""
    return tomllib.loads(text)


def text_of(document: Document) -> str:
    """A document as a site file."""
    return tomli_w.dumps(document)


def item_text(document: Document, place: Place) -> str:
    """The lines of one item in a site file; empty when all of it is as it is by itself."""
    found = table_at(document, place)
    if found is None:
        return ""
    nested: Document = own_keys(place, found)
    for key in reversed(place):
        nested = {key: nested}
    return tomli_w.dumps(nested)


def _kind(place: Place) -> str:
    names = {"libraries": "library", "media_agents": "MediaAgent", "policies": "policy"}
    if len(place) == 4:
        return {"copies": "copy", "subclients": "subclient"}.get(place[2], place[2])
    return names.get(place[0], place[0].removesuffix("s"))
