"""Names for the shell's completion, from the catalog as it is; silent where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from engine.catalog.home import Home
from engine.model.errors import AuxError
from engine.model.names import shown

if TYPE_CHECKING:
    from engine.catalog.live import LiveCatalog

RECENT_JOBS = 50


def policy_names(incomplete: str) -> list[str]:
    """Names of storage policies."""
    return _names(incomplete, lambda live: [policy.name for policy in live.estate().policies])


def copy_names(incomplete: str) -> list[str]:
    """Names `policy/copy`."""
    return _names(incomplete, lambda live: [f"{c.policy}/{c.name}" for c in live.estate().copies()])


def subclient_names(incomplete: str) -> list[str]:
    """Names `client/subclient`."""
    return _names(
        incomplete,
        lambda live: [
            f"{client.name}/{sub.name}"
            for client in live.estate().clients
            for sub in client.subclients
        ],
    )


def node_names(incomplete: str) -> list[str]:
    """Nodes on which windows and activity control stand."""

    def find(live: LiveCatalog) -> Iterable[str]:
        estate = live.estate()
        yield "commcell"
        yield from (f"media_agents.{agent.name}" for agent in estate.media_agents)
        for client in estate.clients:
            yield f"clients.{client.name}"
            yield from (f"clients.{client.name}.subclients.{sub.name}" for sub in client.subclients)

    return _names(incomplete, find)


def schedule_names(incomplete: str) -> list[str]:
    """Names of schedules."""
    from engine.catalog import config
    from engine.catalog.opening import open_catalog

    home = Home.find(environ=os.environ)
    try:
        with open_catalog(home) as catalog, catalog.read() as session:
            found = [value.name for value in config.schedules(session)]
    except AuxError:
        return []  # a completion that cannot be made is no error
    return [name for name in found if name.startswith(incomplete)]


def job_ids(incomplete: str) -> list[str]:
    """Ids of the newest jobs."""
    from engine.catalog.live_values import HistoryFilter

    return _names(
        incomplete,
        lambda live: [str(number) for number in live.history_ids(HistoryFilter())[:RECENT_JOBS]],
    )


def _names(incomplete: str, find: Callable[[LiveCatalog], Iterable[str]]) -> list[str]:
    from engine.catalog.live import LiveCatalog

    home = Home.find(environ=os.environ)
    try:
        with LiveCatalog(home.catalog) as live:
            found = [shown(name) for name in find(live)]
    except AuxError:
        return []  # a completion that cannot be made is no error
    return [name for name in found if name.startswith(incomplete)]
