"""Activity control, and what a schedule does about missed runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table of nodes that are switched off; runs missed so far are started late."""
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
