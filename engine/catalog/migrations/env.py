"""Runs the scripts on the connection that `upgrading` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from engine.catalog.revision import VERSION_TABLE
from engine.catalog.tables import CommCell

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=CommCell.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    compare_type=True,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
