"""What is known of the line to a library on the network, and the last error of any library."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is known of the lines yet."""
    with op.batch_alter_table("library") as batch:
        batch.add_column(sa.Column("line", sa.JSON(), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("last_error", sa.String(), nullable=False, server_default=""))
        batch.add_column(sa.Column("last_error_at", sa.DateTime(timezone=True), nullable=True))
