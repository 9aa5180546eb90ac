"""When copies give way to what else runs on the host."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """They do not, as before."""
    with op.batch_alter_table("commcell") as batch:
        batch.add_column(sa.Column("yield_percent", sa.Integer(), nullable=True))
