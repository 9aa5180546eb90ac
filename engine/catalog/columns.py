"""Kinds of columns that the tables share, and what their rows have in common; portable between SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.compiler import DDLCompiler
from sqlmodel import Field, SQLModel

JsonObject = dict[str, Any]
JsonList = list[Any]

# Every constraint has a name, so that a migration can drop or change it on any database. Set
# before the first table is made.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_WHERE = "where"
_BIG = BigInteger().with_variant(Integer, "sqlite")


class TableRow(SQLModel):
    """A row of a table. None is ever validated: pydantic need not make a validator of each class."""

    model_config = {"defer_build": True}


def big(**options: Any) -> Any:
    """An integer of 64 bits on every database."""
    return Field(sa_type=_BIG, **options)


def own_id() -> Any:
    """The id of a job or a backup job: taken from the one sequence, never from the database."""
    return Field(sa_column=Column(_BIG, primary_key=True, autoincrement=False))


def id_of(target: str, *, primary_key: bool = True, ondelete: str | None = None) -> Any:
    """A reference to a job or a backup job."""
    column: Column[int] = Column(
        _BIG,
        ForeignKey(target, ondelete=ondelete),
        primary_key=primary_key,
        autoincrement=False,
        nullable=False,
        index=not primary_key,
    )
    return Field(sa_column=column)


def part_of_job(*, primary_key: bool = True) -> Any:
    """The job that a row is part of; the row goes with its job."""
    return id_of("job.id", primary_key=primary_key, ondelete="CASCADE")


def unique_where(name: str, condition: str, *columns: str) -> Index:
    """Columns that are unique together among the rows that meet a condition."""
    return index_where(name, condition, *columns, unique=True)


def index_where(name: str, condition: str, *columns: str, unique: bool = False) -> Index:
    """An index of the rows that meet a condition, as small as they are few."""
    where = text(condition)
    return Index(name, *columns, unique=unique, sqlite_where=where, info={_WHERE: where})


@compiles(CreateIndex, "postgresql")
def _create_index_on_postgresql(element: CreateIndex, compiler: DDLCompiler, **options: Any) -> str:
    """Tells the condition when it is wanted: the index itself would load all drivers, 60 ms."""
    index = element.element
    if _WHERE in index.info:
        index.dialect_options["postgresql"]["where"] = index.info[_WHERE]
    # SQLAlchemy gives this method no types.
    return str(compiler.visit_create_index(element, **options))  # type: ignore[no-untyped-call]
