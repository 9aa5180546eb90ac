"""What an after-backup schedule has seen, apart from when it last ran."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until now the time of the last run said what was seen."""
    with op.batch_alter_table("schedule") as batch:
        batch.add_column(sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE schedule SET seen_at = last_run_at")
