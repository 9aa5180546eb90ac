"""May an operation run on a node at a time, by what the catalog says.

A job asks the same of its own nodes in `admission`.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from engine.catalog import activity
from engine.control.admission import check_node
from engine.operations.gates import load_windows
from engine.policy.clearance import Clearance as Clearance
from engine.policy.clearance import clearance


def clearance_of(session: Session, node: str, operation: str, at: datetime) -> Clearance:
    """Looks at windows and activity control of a node.

    Args:
        session: reads the catalog.
        node: `commcell`, `media_agents.X`, `clients.X` or `clients.X.subclients.Y`.
        operation: e.g. `auxcopy`.
        at: aware.

    Raises:
        NotFoundError: there is no such node.
    """
    check_node(session, node)
    off = activity.switched_off(session, at)
    return clearance(load_windows(session), off, node, operation, at)
