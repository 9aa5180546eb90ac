"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TYPES: dict[str, Any] = {
    "int": sa.Integer(),
    "big": _BIG,
    "key": _BIG,  # of a job or backup job, never given by the database
    "text": sa.String(),
    "bytes": sa.LargeBinary(),
    "bool": sa.Boolean(),
    "float": sa.Float(),
    "time": sa.DateTime(timezone=True),
    "json": sa.JSON(),
}


def upgrade() -> None:
    """Makes every table."""
    _configuration()
    _policies()
    _ledger()
    _jobs()
    _parts_of_jobs()
    _bus()


def _configuration() -> None:
    _table("commcell", "id int, uuid text, name text, time_zone text, created_at time")
    _table("media_agent", "id int, name text, time_zone text, max_streams int", unique=("name",))
    _table(
        "library",
        "id int, name text, url text, uuid text?, writers int, state text, state_reason text,"
        " free_bytes big?, total_bytes big?, checked_at time?",
        unique=("name",),
    )
    _table(
        "data_path",
        "library_id int, media_agent_id int, position int",
        key=("library_id", "media_agent_id"),
        refers={"library_id": "library", "media_agent_id": "media_agent"},
    )
    _table("client", "id int, name text", unique=("name",))
    _table(
        "operation_window",
        "id int, name text, on_nodes json, operations json, do_not_run json, time_zone text,"
        " let_running_jobs_finish bool, ignore_higher_levels bool",
        unique=("name",),
    )
    _table("alert", "id int, name text, on_events json, to text, options json", unique=("name",))


def _policies() -> None:
    _table("storage_policy", "id int, name text, description text", unique=("name",))
    _table(
        "policy_copy",
        "id int, policy_id int, name text, kind text, library_id int?, source_copy_id int?,"
        " active bool, precedence int, retain_s big?, retain_cycles int, extended json, worm bool,"
        " defer_s big, on_and_after time?, subclients json, select_rule text, select_every int,"
        " take text, compression text, encrypt_to json, throttle_bps big?, throttle_timetable json",
        unique=("policy_id", "name"),
        refers={
            "policy_id": "storage_policy",
            "library_id": "library",
            "source_copy_id": "policy_copy",
        },
    )
    op.create_index("ix_policy_copy_policy_id", "policy_copy", ["policy_id"])
    _table(
        "subclient",
        "id int, client_id int, name text, policy_id int, kind text, landing text, pattern text,"
        " settle_s int, level text, content json, exclude json, landing_identity json, state text,"
        " state_reason text, scanned_at time?",
        unique=("client_id", "name"),
        refers={"client_id": "client", "policy_id": "storage_policy"},
    )
    op.create_index("ix_subclient_policy_id", "subclient", ["policy_id"])
    _table(
        "schedule",
        "id int, name text, operation text, policy_id int?, spec text, time_zone text,"
        " enabled bool, options json, next_run_at time?, last_run_at time?",
        unique=("name",),
        refers={"policy_id": "storage_policy"},
    )


def _ledger() -> None:
    _table(
        "backup_job",
        "id key, subclient_id int, policy_id int, level text, name bytes, fingerprint text,"
        " cycle int, started_at time, completed_at time, adopted_at time, size_bytes big,"
        " files int, chunks int",
        refers={"subclient_id": "subclient", "policy_id": "storage_policy"},
    )
    op.create_index("ix_backup_job_policy_id", "backup_job", ["policy_id"])
    op.create_index("ix_backup_job_subclient", "backup_job", ["subclient_id", "completed_at"])
    is_adopted = sa.text("fingerprint <> ''")
    op.create_index(
        "uq_backup_job_adopted",
        "backup_job",
        ["subclient_id", "name", "fingerprint"],
        unique=True,
        sqlite_where=is_adopted,
        postgresql_where=is_adopted,
    )
    _table(
        "job_copy",
        "copy_id int, backup_job_id key, state text, state_at time?, reason text, next_step text,"
        " chunks_done int, bytes_done big, copied_at time?, copied_by_job big?,"
        " manifest_digest bytes?, verification text, verified_at time?, retain_until time?,"
        " retained_by text, decision text, decided_by text, decided_at time?, priority int,"
        " tries int",
        key=("copy_id", "backup_job_id"),
        refers={"copy_id": "policy_copy", "backup_job_id": "backup_job"},
    )
    op.create_index("ix_job_copy_backup_job", "job_copy", ["backup_job_id"])
    op.create_index("ix_job_copy_state", "job_copy", ["copy_id", "state", "backup_job_id"])
    _table(
        "landing_observation",
        "subclient_id int, name bytes, fingerprint text, first_seen_at time, reason text",
        key=("subclient_id", "name"),
        refers={"subclient_id": "subclient"},
    )


def _jobs() -> None:
    _table("id_sequence", "id int, next_id big")
    _table(
        "job",
        "id key, operation text, policy_id int?, policy text, copies json, options json,"
        " description text, state text, phase text, reason text, until time?, desired text,"
        " priority int, initiated_by text, created_at time, started_at time?, ended_at time?,"
        " backup_jobs_total int, backup_jobs_done int, backup_jobs_failed int,"
        " backup_jobs_skipped int, bytes_total big, bytes_done big, bytes_per_second big,"
        " bytes_reused big, seconds_left big?, streams int, streams_limited_by text,"
        " throttle_bps big?, attempts int, errors int, exit_code int, epoch int, updated_at time",
        refers={"policy_id": "storage_policy"},
        ondelete={"policy_id": "SET NULL"},
    )
    op.create_index("ix_job_state", "job", ["state", "created_at"])


def _parts_of_jobs() -> None:
    _part_of_job("job_plan", "job_id key, plan bytes", key=("job_id",))
    _part_of_job(
        "job_item",
        "job_id key, backup_job_id key, copy_id int, outcome text, reason text, size_bytes big,"
        " seconds float, ended_at time",
        key=("job_id", "backup_job_id", "copy_id"),
        refers={"backup_job_id": "backup_job", "copy_id": "policy_copy"},
    )
    _part_of_job(
        "job_error",
        "id int, job_id big, at time, backup_job_id big?, copy_name text, path text, error text,"
        " hint text",
    )
    _part_of_job(
        "attempt",
        "id int, job_id big, number int, started_at time, ended_at time?, outcome text,"
        " reason text, bytes_done big",
    )
    _part_of_job("rate_sample", "id int, job_id big, at time, bytes_done big")
    _part_of_job(
        "stream",
        "job_id key, number int, state text, backup_job_id big?, media_agent text, copies text,"
        " path text, file_bytes big, file_bytes_done big, bytes_done big, bytes_per_second big",
        key=("job_id", "number"),
    )
    for name in ("job_error", "attempt", "rate_sample"):
        op.create_index(f"ix_{name}_job_id", name, ["job_id"])


def _bus() -> None:
    _table("event", "id int, at time, severity text, code text, job_id big?, message text")
    op.create_index("ix_event_job", "event", ["job_id", "id"])
    _table(
        "request",
        "id int, at time, by text, kind text, job_id big?, payload json, state text, answer json,"
        " answered_at time?",
    )
    op.create_index("ix_request_state", "request", ["state", "id"])
    _table(
        "service",
        "id int, epoch int, pid int, host text, boot_id text, version text, state text,"
        " started_at time?, heartbeat_at time?",
    )


def _part_of_job(
    name: str, columns: str, *, key: tuple[str, ...] = ("id",), refers: dict[str, str] | None = None
) -> None:
    _table(
        name,
        columns,
        key=key,
        refers={"job_id": "job"} | (refers or {}),
        ondelete={"job_id": "CASCADE"},
    )


def _table(
    name: str,
    columns: str,
    *,
    key: tuple[str, ...] = ("id",),
    unique: tuple[str, ...] = (),
    refers: dict[str, str] | None = None,
    ondelete: dict[str, str] | None = None,
) -> None:
    """Makes a table.

    Args:
        name: of the table.
        columns: `name type` each, with a question mark where it may be null.
        key: the columns of the primary key.
        unique: columns that are unique together.
        refers: the tables that columns refer to.
        ondelete: what happens to a row when the one that a column refers to is deleted.
    """
    parts: list[sa.schema.SchemaItem] = [_column(text, key) for text in columns.split(", ")]
    parts.append(sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"))
    if unique:
        parts.append(sa.UniqueConstraint(*unique, name=f"uq_{name}_{'_'.join(unique)}"))
    parts += [
        sa.ForeignKeyConstraint(
            [column],
            [f"{target}.id"],
            name=f"fk_{name}_{column}_{target}",
            ondelete=(ondelete or {}).get(column),
        )
        for column, target in (refers or {}).items()
    ]
    op.create_table(name, *parts)


def _column(text: str, key: tuple[str, ...]) -> sa.Column[Any]:
    name, kind = text.split(" ")
    given = kind == "int" and key == (name,)
    return sa.Column(
        name, _TYPES[kind.rstrip("?")], nullable=kind.endswith("?"), autoincrement=given or False
    )
