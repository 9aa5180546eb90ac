"""What PostgreSQL would be told, as far as it can be known without one."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import SQLModel

from engine.catalog.lines import epoch_s
from engine.catalog.rows import BACKUP_JOB, JOB, JOB_COPY, REQUEST

DIALECT = postgresql.dialect()
TABLES = SQLModel.metadata.sorted_tables


def compiled(construct):
    return re.sub(r"\s+", " ", str(construct.compile(dialect=DIALECT)))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_table_can_be_made(table):
    statement = compiled(CreateTable(table))

    for column in table.columns:
        if column.name.endswith(("_bytes", "_bps", "bytes_done", "job_id")):
            assert f"{column.name} BIGINT" in statement
        if column.name.endswith("_at") or column.name in ("at", "until"):
            assert re.search(rf"\b{column.name} TIMESTAMP WITH TIME ZONE", statement)
    for index in table.indexes:
        assert compiled(CreateIndex(index))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_constraint_has_a_name(table):
    assert all(constraint.name for constraint in table.constraints)
    assert all(index.name for index in table.indexes)


def test_ids_of_jobs_are_ours_and_others_the_databases():
    for table in (JOB, BACKUP_JOB, JOB_COPY):
        assert "SERIAL" not in compiled(CreateTable(table))
    assert "id SERIAL" in compiled(CreateTable(REQUEST))


def test_names_from_disks_are_bytes():
    assert "name BYTEA" in compiled(CreateTable(BACKUP_JOB))


def test_seconds_of_a_time_are_said_in_its_words():
    statement = compiled(select(epoch_s(BACKUP_JOB.c.completed_at)))

    assert "extract(epoch from backup_job.completed_at)::float8" in statement
