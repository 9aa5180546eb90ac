"""Windows in which scheduled runs are not even submitted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Windows that are there queue scheduled runs, as before."""
    with op.batch_alter_table("operation_window") as batch:
        batch.add_column(
            sa.Column("do_not_submit", sa.Boolean(), nullable=False, server_default=sa.false())
        )
