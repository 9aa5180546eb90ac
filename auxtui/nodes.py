"""The nodes on which windows and activity control stand, as the site file names them; pure."""

from __future__ import annotations

from typing import Any

from auxtui.inert import safe
from engine.catalog.live_values import Estate, LiveClient, LiveMediaAgent, LiveSubclient

COMMCELL = "commcell"
_SUBCLIENTS = ".subclients."


def node_name(kind: str, thing: Any) -> str:
    """The node of a thing of the tree; empty when no rule can stand on it."""
    if kind in (COMMCELL, "clients", "agents"):
        return COMMCELL
    if isinstance(thing, LiveMediaAgent):
        return f"media_agents.{thing.name}"
    if isinstance(thing, LiveClient):
        return f"clients.{thing.name}"
    if isinstance(thing, LiveSubclient):
        return f"clients.{thing.client}{_SUBCLIENTS}{thing.name}"
    return ""


def keys_by_node(estate: Estate) -> dict[str, tuple[str, int]]:
    """The key in the tree of every node."""
    keys: dict[str, tuple[str, int]] = {COMMCELL: (COMMCELL, 0)}
    for agent in estate.media_agents:
        keys[node_name("agent", agent)] = ("agent", agent.id)
    for client in estate.clients:
        keys[node_name("client", client)] = ("client", client.id)
        for subclient in client.subclients:
            keys[node_name("subclient", subclient)] = ("subclient", subclient.id)
    return keys


def node_words(node: str) -> str:
    """A node as people say it: `MediaAgent store1`, `subclient db1/pg`."""
    if node == COMMCELL:
        return "the CommCell"
    kind, _, name = node.partition(".")
    if kind == "media_agents":
        return f"MediaAgent {safe(name)}"
    client, is_subclient, subclient = name.rpartition(_SUBCLIENTS)
    if is_subclient:
        return f"subclient {safe(client)}/{safe(subclient)}"
    return f"client {safe(name)}"


def zone_of_node(node: str, estate: Estate) -> str:
    """The zone in which a node lives: that of the MediaAgent, else that of the CommCell."""
    for agent in estate.media_agents:
        if node == node_name("agent", agent):
            return agent.time_zone
    return estate.time_zone
