"""The revisions of the schema, oldest first; known without importing the migration tool."""

from __future__ import annotations

REVISIONS: tuple[str, ...] = (
    "0001",
    "0002",
    "0003",
    "0006",
    "0007",
    "0004",
    "0005",
    "0017",
    "0018",
    "0019",
    "0020",
    "0021",
    "0022",
)
"""One for each script in `migrations/versions`, in their order."""

HEAD = REVISIONS[-1]
"""What this auxtui reads and writes."""

VERSION_TABLE = "alembic_version"
