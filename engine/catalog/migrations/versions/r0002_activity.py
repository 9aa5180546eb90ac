"""Activity control, what a schedule does about missed runs, and settings of the CommCell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table of nodes that are switched off; what is there gets the defaults."""
    with op.batch_alter_table("schedule") as batch:
        batch.add_column(
            sa.Column("start_missed", sa.Boolean(), nullable=False, server_default=sa.true())
        )
    op.create_table(
        "activity",
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("off_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_activity")),
    )
    with op.batch_alter_table("commcell") as batch:
        for column in _settings():
            batch.add_column(column)


def _settings() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "queue_conflicting_auxcopy_jobs",
            sa.Boolean(),
            nullable=False,
            server_default=sa.true(),
        ),
        sa.Column(
            "auxcopy_not_pick_new_backups",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
        ),
        sa.Column("day_start_s", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("week_start", sa.Integer(), nullable=False, server_default="4"),
        sa.Column("month_start_day", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("behind_bytes", _BIG, server_default=str(25 * 10**12)),
        sa.Column("behind_age_s", _BIG, server_default=str(14 * 86_400)),
        sa.Column("behind_time_s", _BIG, server_default=str(48 * 3_600)),
    ]
