"""From rows to values and back: the tables, reading into frozen values, and upserts.

The one place where the dialects differ: `upsert`, and `epoch_s` in `ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from sqlalchemy import Connection, CursorResult, Executable, Table
from sqlalchemy.dialects import sqlite
from sqlmodel import Session, SQLModel

from engine.catalog import tables
from engine.model.errors import CatalogCorrupt

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

V = TypeVar("V")
_Shape = tuple[tuple[str, ...], tuple[tuple[str, Callable[[Any], Any]], ...]]


def table_of(model: type[SQLModel]) -> Table:
    """The table of a row class."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


COMMCELL = table_of(tables.CommCell)
ID_SEQUENCE = table_of(tables.IdSequence)
MEDIA_AGENT = table_of(tables.MediaAgent)
LIBRARY = table_of(tables.Library)
DATA_PATH = table_of(tables.DataPath)
CLIENT = table_of(tables.Client)
POLICY = table_of(tables.StoragePolicy)
COPY = table_of(tables.PolicyCopy)
SUBCLIENT = table_of(tables.Subclient)
WINDOW = table_of(tables.OperationWindow)
ACTIVITY = table_of(tables.Activity)
SCHEDULE = table_of(tables.Schedule)
ALERT = table_of(tables.Alert)
BACKUP_JOB = table_of(tables.BackupJob)
JOB_COPY = table_of(tables.JobCopy)
JOB = table_of(tables.Job)
JOB_PLAN = table_of(tables.JobPlan)
JOB_ITEM = table_of(tables.JobItem)
JOB_ERROR = table_of(tables.JobError)
ATTEMPT = table_of(tables.Attempt)
STREAM = table_of(tables.StreamRow)
RATE_SAMPLE = table_of(tables.RateSample)
EVENT = table_of(tables.Event)
REQUEST = table_of(tables.Request)
SERVICE = table_of(tables.ServiceRow)
COPY_STANDING = table_of(tables.CopyStanding)
COPY_SAMPLE = table_of(tables.CopySample)
ALARM = table_of(tables.Alarm)
ALERT_MESSAGE = table_of(tables.AlertMessage)
OBSERVATION = table_of(tables.LandingObservation)


def connection_of(session: Session) -> Connection:
    """The session's connection, in its transaction, with the session's objects written to it."""
    session.flush()
    return session.connection()


def read_all(session: Session, value: type[V], query: Executable) -> list[V]:
    """Runs a query and makes a value of each row.

    Args:
        session: any session of the catalog.
        value: a dataclass whose fields are among the query's columns, by name.
        query: a select.

    Raises:
        CatalogCorrupt: a row holds what no auxtui wrote.
    """
    try:
        return list(_values(value, connection_of(session).execute(query)))
    except ValueError as err:
        raise CatalogCorrupt(
            f"the catalog holds a {value.__name__} that no auxtui wrote: {err}",
            hint="run: auxtui catalog check",
        ) from err


def read_one(session: Session, value: type[V], query: Executable) -> V | None:
    """As `read_all`, for a query of at most one row; None when there is none."""
    found = read_all(session, value, query)
    return found[0] if found else None


def _values(value: type[V], result: CursorResult[*tuple[Any, ...]]) -> Iterator[V]:
    shape: Callable[..., object] = value
    names, converters = _shape(shape)
    position = {name: number for number, name in enumerate(result.keys())}
    pick = itemgetter(*(position[name] for name in names))
    for row in result:
        columns = dict(zip(names, pick(row), strict=True))
        for name, convert in converters:
            columns[name] = convert(columns[name])
        yield value(**columns)


@cache
def _shape(value: Callable[..., object]) -> _Shape:
    """Names of a value's fields, and how the columns of some are converted."""
    hints = get_type_hints(value)
    converters: list[tuple[str, Callable[[Any], Any]]] = []
    for name, hint in hints.items():
        if isinstance(hint, type) and issubclass(hint, Enum):
            converters.append((name, hint))
        elif get_origin(hint) is tuple and get_args(hint):
            converters.append((name, tuple))
    return tuple(hints), tuple(converters)


def plain(columns: Mapping[str, object]) -> dict[str, object]:
    """Columns as every driver takes them: words instead of enums, lists instead of tuples."""
    return {
        name: item.value
        if isinstance(item, Enum)
        else list(item)
        if isinstance(item, tuple)
        else item
        for name, item in columns.items()
    }


def plain_value(value: Any) -> dict[str, object]:
    """The columns of a value."""
    return plain({field.name: getattr(value, field.name) for field in fields(value)})


def upsert(
    session: Session,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    replace: Sequence[str] | None = None,
    also: Mapping[str, Any] | None = None,
) -> None:
    """Inserts rows; one with a primary key that is taken replaces the columns it names.

    Args:
        session: a writing session.
        table: where.
        rows: columns by name, the same names in each.
        replace: the columns to replace; all but the key when left out.
        also: further columns to set on a row that is there, as SQL expressions.
    """
    if not rows:
        return
    connection = connection_of(session)
    insert = _insert_on(connection.dialect.name)
    key = [column.name for column in table.primary_key.columns]
    names = [name for name in rows[0] if name not in key] if replace is None else replace
    statement = insert(table)
    changes = {name: statement.excluded[name] for name in names} | dict(also or {})
    connection.execute(
        statement.on_conflict_do_update(index_elements=key, set_=changes),
        [plain(row) for row in rows],
    )


def _insert_on(dialect: str) -> Callable[[Table], sqlite.Insert | postgresql.Insert]:
    if dialect != "postgresql":
        return sqlite.insert
    from sqlalchemy.dialects.postgresql import insert  # loads all drivers

    return insert
