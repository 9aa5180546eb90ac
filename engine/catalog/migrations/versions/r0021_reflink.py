"""Which copies may share the blocks of their source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None does, as before."""
    with op.batch_alter_table("policy_copy") as batch:
        batch.add_column(
            sa.Column("reflink", sa.Boolean(), nullable=False, server_default=sa.false())
        )
