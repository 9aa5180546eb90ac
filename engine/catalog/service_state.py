"""What the service says of itself. Its lock decides whether it lives; this only informs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import Session

from engine.catalog.rows import SERVICE, connection_of, read_one, upsert
from engine.catalog.values import ServiceValue

RUNNING = "running"
STOPPED = "stopped"


def new_epoch(s: Session, *, pid: int, host: str, boot_id: str, version: str, now: datetime) -> int:
    """Says that a service has started, and numbers its run.

    Args:
        s: a writing session.
        pid: its process id.
        host: name of its host.
        boot_id: identity of the boot of that host.
        version: version of auxtui.
        now: the present.

    Returns:
        The number of this run, larger than that of any before it.
    """
    epoch = service(s).epoch + 1
    row: dict[str, object] = {
        "id": 1,
        "epoch": epoch,
        "pid": pid,
        "host": host,
        "boot_id": boot_id,
        "version": version,
        "state": RUNNING,
        "started_at": now,
        "heartbeat_at": now,
    }
    upsert(s, SERVICE, [row])
    return epoch


def beat(s: Session, now: datetime) -> None:
    """Says that the service lives."""
    connection_of(s).execute(update(SERVICE).where(SERVICE.c.id == 1).values(heartbeat_at=now))


def set_stopped(s: Session, now: datetime) -> None:
    """Says that the service ends."""
    connection_of(s).execute(
        update(SERVICE).where(SERVICE.c.id == 1).values(state=STOPPED, heartbeat_at=now)
    )


def service(s: Session) -> ServiceValue:
    """What the service said last; a stopped one of epoch 0 when there never was one."""
    found = read_one(s, ServiceValue, select(SERVICE).where(SERVICE.c.id == 1))
    return found or ServiceValue()
