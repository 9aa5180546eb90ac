"""Entries of landing directories that were seen but are not adopted yet."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select
from sqlmodel import Session

from engine.catalog.rows import OBSERVATION, connection_of, plain_value, read_all, read_one, upsert
from engine.catalog.values import ObservationValue


def observations(s: Session, subclient_id: int) -> list[ObservationValue]:
    """What was seen below a subclient's landing directory and waits, by name."""
    query = (
        select(OBSERVATION)
        .where(OBSERVATION.c.subclient_id == subclient_id)
        .order_by(OBSERVATION.c.name)
    )
    return read_all(s, ObservationValue, query)


def observe(
    s: Session, subclient_id: int, name: bytes, fingerprint: str, reason: str, now: datetime
) -> ObservationValue:
    """Records that an entry waits; since when counts on while its fingerprint stays.

    Args:
        s: a writing session.
        subclient_id: whose landing directory.
        name: the entry, exact bytes.
        fingerprint: identity of what is there.
        reason: why it waits.
        now: the present.

    Returns:
        What is known of it now.
    """
    query = select(OBSERVATION).where(
        OBSERVATION.c.subclient_id == subclient_id,
        OBSERVATION.c.name == name,
        OBSERVATION.c.fingerprint == fingerprint,
    )
    unchanged = read_one(s, ObservationValue, query)
    value = ObservationValue(
        subclient_id=subclient_id,
        name=name,
        fingerprint=fingerprint,
        first_seen_at=unchanged.first_seen_at if unchanged else now,
        reason=reason,
    )
    upsert(s, OBSERVATION, [plain_value(value)])
    return value


def forget_observations(s: Session, subclient_id: int, names: Collection[bytes]) -> None:
    """Forgets entries that were adopted or are gone."""
    connection = connection_of(s)
    for name in names:
        connection.execute(
            delete(OBSERVATION).where(
                OBSERVATION.c.subclient_id == subclient_id, OBSERVATION.c.name == name
            )
        )
