"""The tables of what is watched: how each copy stands, its trend, alarms and what is told of them.

The rules of `tables` hold here too. Import them from there, so that all tables are known.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer
from sqlmodel import Field

from engine.catalog.columns import JsonList, JsonObject, TableRow, big, unique_where


def _of_copy() -> Column[int]:
    return Column(
        Integer(),
        ForeignKey("policy_copy.id", ondelete="CASCADE"),
        primary_key=True,
        nullable=False,
    )


class CopyStanding(TableRow, table=True):
    """How a secondary copy stands: what it owes, whether it has fallen behind, its forecast."""

    __tablename__ = "copy_standing"
    copy_id: int = Field(sa_column=_of_copy())
    at: datetime
    """When it was measured."""
    owed_jobs: int = 0
    owed_bytes: int = big(default=0)
    oldest_due_at: datetime | None = None
    behind_since: datetime | None = None
    """None: it has not fallen behind."""
    behind_reasons: JsonList = Field(default_factory=list, sa_type=JSON)
    """A sentence for each limit that is exceeded."""
    rate_bps: int | None = big(default=None)
    """Rate while copying, in the past, bytes per second; None: nothing was copied yet."""
    income_bps: int = big(default=0)
    """What new backup jobs bring, bytes per second of calendar time."""
    caught_up_at: datetime | None = None
    earliest_at: datetime | None = None
    latest_at: datetime | None = None
    is_known: bool = False
    """False: nothing was copied yet, so no forecast can be made."""
    forecast: str = ""
    """The forecast in words."""


class CopySample(TableRow, table=True):
    """A point of a copy's trend."""

    __tablename__ = "copy_sample"
    copy_id: int = Field(sa_column=_of_copy())
    slot: int = big(primary_key=True)
    """Seconds since the epoch, divided by the distance of two samples: a restart adds none."""
    at: datetime
    held_jobs: int = 0
    held_bytes: int = big(default=0)
    owed_jobs: int = 0
    owed_bytes: int = big(default=0)
    partial_bytes: int = big(default=0)
    """Of backup jobs that are partially copied: what is there of them."""
    copied_bytes: int = big(default=0)
    """Since the sample before."""
    seconds: int = big(default=0)
    """Since the sample before."""


class Alarm(TableRow, table=True):
    """Something that is not as it should be, from its beginning until it has cleared."""

    __table_args__ = (
        # While it stands there is one for each cause; it happens again when it has cleared.
        unique_where("uq_alarm_standing", "cleared_at IS NULL", "cause"),
        Index("ix_alarm_cleared", "cleared_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    kind: str
    """As in the site file: failed, fallen-behind, library-offline ..."""
    cause: str
    """Kind and what it is about, e.g. `library-offline vault`."""
    about: str = ""
    severity: str
    message: str
    hint: str = ""
    job_id: int | None = big(default=None)
    policy: str = ""
    measure: float = 0.0
    """What a threshold of an alert is compared with: failed attempts, seconds of delay."""
    times: int = 1
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None = None


class AlertMessage(TableRow, table=True):
    """The outbox: what is to be told to whom, filed with its cause and kept until it is delivered."""

    __tablename__ = "alert_message"
    __table_args__ = (Index("ix_alert_message_state", "state", "next_try_at"),)
    id: int | None = Field(default=None, primary_key=True)
    alert: str = Field(index=True)
    """Name of the alert in the site file; kept when the alert is gone."""
    alarm_id: int | None = Field(
        sa_column=Column(
            Integer(), ForeignKey("alarm.id", ondelete="SET NULL"), nullable=True, index=True
        ),
        default=None,
    )
    step: str
    """raised, cleared, or told: a thing that happens and does not stand, such as a success."""
    content: JsonObject = Field(default_factory=dict, sa_type=JSON)
    """What is told: kind, severity, about, message, hint, job, policy, time."""
    state: str = "waiting"
    """waiting, sent, given_up, withdrawn."""
    filed_at: datetime
    next_try_at: datetime
    tries: int = 0
    sent_at: datetime | None = None
    error: str = ""
    """Why the last try failed."""
