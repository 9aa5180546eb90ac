"""What of a copy somebody decided about, and what of it is encoded, are found without reading all of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two small indexes: most job copies are in neither."""
    for name, column in (("ix_job_copy_decided", "decision"), ("ix_job_copy_encoded", "encoding")):
        few = sa.text(f"{column} <> ''")
        op.create_index(
            name,
            "job_copy",
            ["copy_id", "backup_job_id", column],
            sqlite_where=few,
            postgresql_where=few,
        )
