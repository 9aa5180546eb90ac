"""How copies stand and their trend, alarms and the outbox of alerts, and how long history is kept."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TYPES: dict[str, Any] = {
    "int": sa.Integer(),
    "big": _BIG,
    "text": sa.String(),
    "bool": sa.Boolean(),
    "float": sa.Float(),
    "time": sa.DateTime(timezone=True),
    "json": sa.JSON(),
}


def upgrade() -> None:
    """Nothing is known of the past: copies are measured from now on, and no alarm stands."""
    with op.batch_alter_table("commcell") as batch:
        batch.add_column(sa.Column("history_s", _BIG, server_default=str(90 * 86_400)))
    with op.batch_alter_table("storage_policy") as batch:
        batch.add_column(sa.Column("behind", sa.JSON(), nullable=False, server_default="{}"))
    _table(
        "copy_standing",
        "copy_id int, at time, owed_jobs int, owed_bytes big, oldest_due_at time?,"
        " behind_since time?, behind_reasons json, rate_bps big?, income_bps big,"
        " caught_up_at time?, earliest_at time?, latest_at time?, is_known bool, forecast text",
        key=("copy_id",),
        parent=("copy_id", "policy_copy", "CASCADE"),
    )
    _table(
        "copy_sample",
        "copy_id int, slot big, at time, held_jobs int, held_bytes big, owed_jobs int,"
        " owed_bytes big, partial_bytes big, copied_bytes big, seconds big",
        key=("copy_id", "slot"),
        parent=("copy_id", "policy_copy", "CASCADE"),
    )
    _table(
        "alarm",
        "id int, kind text, cause text, about text, severity text, message text, hint text,"
        " job_id big?, policy text, measure float, times int, first_at time, last_at time,"
        " cleared_at time?",
        key=("id",),
    )
    standing = sa.text("cleared_at IS NULL")
    op.create_index(
        "uq_alarm_standing",
        "alarm",
        ["cause"],
        unique=True,
        sqlite_where=standing,
        postgresql_where=standing,
    )
    op.create_index("ix_alarm_cleared", "alarm", ["cleared_at"])
    _table(
        "alert_message",
        "id int, alert text, alarm_id int?, step text, content json, state text, filed_at time,"
        " next_try_at time, tries int, sent_at time?, error text",
        key=("id",),
        parent=("alarm_id", "alarm", "SET NULL"),
    )
    op.create_index("ix_alert_message_alert", "alert_message", ["alert"])
    op.create_index("ix_alert_message_alarm_id", "alert_message", ["alarm_id"])
    op.create_index("ix_alert_message_state", "alert_message", ["state", "next_try_at"])


def _table(
    name: str, columns: str, *, key: tuple[str, ...], parent: tuple[str, str, str] | None = None
) -> None:
    """A table; its columns as `name type`, with a question mark where they may be empty."""
    parts: list[Any] = []
    for column in columns.split(","):
        column_name, kind = column.split()
        nullable = kind.endswith("?")
        parts.append(sa.Column(column_name, _TYPES[kind.rstrip("?")], nullable=nullable))
    parts.append(sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")))
    if parent is not None:
        column_name, table, ondelete = parent
        parts.append(
            sa.ForeignKeyConstraint(
                [column_name],
                [f"{table}.id"],
                name=op.f(f"fk_{name}_{column_name}_{table}"),
                ondelete=ondelete,
            )
        )
    op.create_table(name, *parts)
