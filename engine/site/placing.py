"""Where libraries, landing directories and the home lie: nothing is ever copied into itself.

Real paths are compared, so that no symbolic link hides that two places are one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.model.errors import SiteError
from engine.model.names import shown
from engine.model.states import SubclientKind
from engine.site.configuration import Configuration
from engine.site.positions import KeyPath
from engine.site.section import SiteText


class _Place(NamedTuple):
    key: KeyPath
    what: str
    path: str
    real: str


def refuse_home(wanted: Configuration, site: SiteText, home: Path) -> None:
    """Refuses a library or a landing directory that is, contains or lies in the home.

    Args:
        wanted: the configuration.
        site: its text.
        home: `AUXTUI_HOME`.

    Raises:
        SiteError: the first one.
    """
    own = os.path.realpath(home)
    for place in (*_libraries(wanted), *_landings(wanted)):
        if relation := _relation(place.real, own):
            hint = "the catalog and its manifests need a place of their own"
            raise _error(site, place, f"{relation} AUXTUI_HOME ({shown(own)})", hint)


def refuse_entangled(wanted: Configuration, site: SiteText) -> None:
    """Refuses places that are in each other's way.

    A landing directory may lie in a library, beside the directories of the policies; nothing else
    may lie in a library, or a library in it.

    Args:
        wanted: the configuration.
        site: its text.

    Raises:
        SiteError: the first two that are.
    """
    libraries = list(_libraries(wanted))
    for number, place in enumerate(libraries):
        if place.real == "/":
            raise _error(site, place, "is the root directory of this host", "name one below it")
        for other in libraries[:number]:
            if relation := _relation(place.real, other.real):
                raise _error(
                    site,
                    place,
                    f"{relation} {other.what}",
                    "give each library a directory of its own",
                )
    for landing in _landings(wanted):
        for library in libraries:
            if fault := _overlap(landing.real, library.real, wanted):
                hint = "keep landing directories and libraries apart"
                raise _error(site, landing, f"{fault} {library.what}", hint)


def _libraries(wanted: Configuration) -> Iterator[_Place]:
    for item in wanted.libraries.values():
        path = item.url.removeprefix("file://") if item.url.startswith("file:///") else item.url
        if path.startswith("/"):
            yield _Place(
                (*item.place, "url"),
                f'library "{item.name}" ({shown(path)})',
                path,
                os.path.realpath(path),
            )


def _landings(wanted: Configuration) -> Iterator[_Place]:
    for item in wanted.subclients.values():
        if item.kind is SubclientKind.LANDING:
            path = item.landing
            what = f"subclient {item.label} ({shown(path)})"
            yield _Place((*item.place, "landing"), what, path, os.path.realpath(path))


def _relation(path: str, other: str) -> str:
    if path == other:
        return "is the place of"
    common = os.path.commonpath((path, other))
    if common == path:
        return "has inside it the"
    return "lies inside" if common == other else ""


def _overlap(landing: str, library: str, wanted: Configuration) -> str:
    """How a landing directory and a library are in each other's way; empty: they are not."""
    relation = _relation(landing, library)
    if relation != "lies inside":
        return relation
    first = os.path.relpath(landing, library).split("/")[0]
    return "is where a policy writes its copies in" if first in wanted.policies else ""


def _error(site: SiteText, place: _Place, fault: str, hint: str) -> SiteError:
    is_link = place.real != os.path.normpath(place.path)
    message = f"leads to {shown(place.real)}, which {fault}" if is_link else fault
    return site.error(place.key, message, hint=hint)
