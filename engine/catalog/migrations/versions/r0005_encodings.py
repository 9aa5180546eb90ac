"""How each job copy is encoded, and where the identities lie that open what is encrypted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Every job copy so far is as its source; no identity file is known."""
    with op.batch_alter_table("commcell") as batch:
        batch.add_column(
            sa.Column("age_identity_files", sa.JSON(), nullable=False, server_default="[]")
        )
    with op.batch_alter_table("job_copy") as batch:
        batch.add_column(sa.Column("encoding", sa.String(), nullable=False, server_default=""))
