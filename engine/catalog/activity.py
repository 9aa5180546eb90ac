"""Activity control: nodes on which operations are switched off, perhaps until a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlmodel import Session

from engine.catalog.rows import ACTIVITY, connection_of, read_all, upsert
from engine.catalog.rule_values import ActivityValue


def switched_off(s: Session, now: datetime) -> list[ActivityValue]:
    """Nodes that are switched off now, by name; one whose time has come is on again by itself."""
    query = (
        select(ACTIVITY)
        .where(or_(ACTIVITY.c.off_until.is_(None), ACTIVITY.c.off_until > now))
        .order_by(ACTIVITY.c.node)
    )
    return read_all(s, ActivityValue, query)


def switch_off(
    s: Session, node: str, *, off_until: datetime | None, by: str, now: datetime
) -> None:
    """Switches a node and all below it off.

    Args:
        s: a writing session.
        node: `commcell`, `media_agents.X`, `clients.X` or `clients.X.subclients.Y`.
        off_until: when it is on again by itself; None: until somebody switches it on.
        by: who says so.
        now: the present.
    """
    row = {"node": node, "off_until": off_until, "by": by, "at": now}
    upsert(s, ACTIVITY, [row])


def switch_on(s: Session, node: str) -> bool:
    """Switches a node on; False when it was not off."""
    done = connection_of(s).execute(delete(ACTIVITY).where(ACTIVITY.c.node == node))
    return bool(done.rowcount)
