"""How subclients are backed up, and how much was there when that was last believed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0007"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Subclients that are there get the defaults; content was never read before."""
    with op.batch_alter_table("subclient") as batch:
        batch.add_column(
            sa.Column("one_file_system", sa.Boolean(), nullable=False, server_default=sa.true())
        )
        batch.add_column(
            sa.Column("volume_bytes", _BIG, nullable=False, server_default=str(1024**3))
        )
        batch.add_column(
            sa.Column("compression_level", sa.Integer(), nullable=False, server_default="3")
        )
        batch.add_column(
            sa.Column("compression_threads", sa.Integer(), nullable=False, server_default="1")
        )
        batch.add_column(sa.Column("shrunk_pct", sa.Integer(), nullable=False, server_default="50"))
        batch.add_column(
            sa.Column("believed_files", sa.Integer(), nullable=False, server_default="0")
        )
        batch.add_column(sa.Column("believed_bytes", _BIG, nullable=False, server_default="0"))
    op.execute("UPDATE subclient SET level = 'incremental' WHERE kind = 'content'")
