"""Data paths with places and states of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Every path leads to the library's own URL, as before."""
    with op.batch_alter_table("data_path") as batch:
        batch.add_column(sa.Column("url", sa.String(), nullable=False, server_default=""))
        batch.add_column(sa.Column("state", sa.String(), nullable=False, server_default="unknown"))
        batch.add_column(sa.Column("state_reason", sa.String(), nullable=False, server_default=""))
