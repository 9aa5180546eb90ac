"""Activity control, and what a schedule does about missed runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table of nodes that are switched off."""
    op.create_table(
        "activity",
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("off_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_activity")),
    )
