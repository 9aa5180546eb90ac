"""How a copy is verified and aged, and who keeps a job copy beyond its retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Copies that are there are verified on request only; nothing is kept beyond its retention."""
    with op.batch_alter_table("policy_copy") as batch:
        batch.add_column(sa.Column("verify", sa.String(), nullable=False, server_default=""))
        batch.add_column(sa.Column("verify_expires_s", _BIG, nullable=True))
        batch.add_column(sa.Column("verify_throttle_bps", _BIG, nullable=True))
        batch.add_column(sa.Column("fuse_pct", sa.Integer(), nullable=False, server_default="25"))
        batch.add_column(
            sa.Column("fuse_jobs", sa.Integer(), nullable=False, server_default="1000")
        )
    with op.batch_alter_table("job_copy") as batch:
        batch.add_column(sa.Column("pinned_by", sa.String(), nullable=False, server_default=""))
        batch.add_column(sa.Column("pinned_until", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=True))
