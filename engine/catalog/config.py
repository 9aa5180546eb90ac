"""The configuration as the rest of the engine reads it, and what is known of its parts now."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import Session

from engine.catalog.rows import (
    ALERT,
    CLIENT,
    COMMCELL,
    COPY,
    DATA_PATH,
    LIBRARY,
    MEDIA_AGENT,
    POLICY,
    SCHEDULE,
    SUBCLIENT,
    WINDOW,
    connection_of,
    plain,
    read_all,
    read_one,
)
from engine.catalog.values import (
    AlertValue,
    ClientValue,
    CommCellValue,
    CopyValue,
    DataPathValue,
    JsonObject,
    LibraryValue,
    MediaAgentValue,
    PolicyValue,
    ScheduleValue,
    SubclientValue,
    WindowValue,
)
from engine.model.errors import CatalogCorrupt, NotFoundError, UsageError
from engine.model.names import shown
from engine.model.states import LibraryState, SubclientKind


def commcell(s: Session) -> CommCellValue:
    """The installation.

    Raises:
        CatalogCorrupt: its row is gone.
    """
    found = read_one(s, CommCellValue, select(COMMCELL).where(COMMCELL.c.id == 1))
    if found is None:
        raise CatalogCorrupt(
            "the catalog lost the identity of its CommCell", hint="run: auxtui catalog check"
        )
    return found


def policies(s: Session) -> list[PolicyValue]:
    """Storage policies by name."""
    return read_all(s, PolicyValue, select(POLICY).order_by(POLICY.c.name))


def policy(s: Session, name: str) -> PolicyValue:
    """A storage policy.

    Raises:
        NotFoundError: there is none of this name.
    """
    found = read_one(s, PolicyValue, select(POLICY).where(POLICY.c.name == name))
    if found is None:
        known = ", ".join(shown(value.name) for value in policies(s)) or "none"
        raise NotFoundError(
            f"there is no storage policy {shown(name)}", hint=f"policies that are there: {known}"
        )
    return found


def copies(s: Session, policy_id: int) -> list[CopyValue]:
    """Copies of a policy, by precedence, the primary before others of the same."""
    query = select(COPY).where(COPY.c.policy_id == policy_id).order_by(COPY.c.precedence, COPY.c.id)
    return read_all(s, CopyValue, query)


def libraries(s: Session) -> list[LibraryValue]:
    """Libraries by name."""
    return read_all(s, LibraryValue, select(LIBRARY).order_by(LIBRARY.c.name))


def offline(s: Session, policy_id: int) -> frozenset[int]:
    """Ids of the libraries of a policy that the last look at each has found offline."""
    query = (
        select(LIBRARY.c.id)
        .join(COPY, COPY.c.library_id == LIBRARY.c.id)
        .where(COPY.c.policy_id == policy_id, LIBRARY.c.state == LibraryState.OFFLINE.value)
    )
    return frozenset(connection_of(s).execute(query).scalars())


def media_agents(s: Session) -> list[MediaAgentValue]:
    """MediaAgents by name."""
    return read_all(s, MediaAgentValue, select(MEDIA_AGENT).order_by(MEDIA_AGENT.c.name))


def data_paths(s: Session) -> list[DataPathValue]:
    """Which MediaAgents reach which libraries, the default of each library first."""
    order = (DATA_PATH.c.library_id, DATA_PATH.c.position, DATA_PATH.c.media_agent_id)
    return read_all(s, DataPathValue, select(DATA_PATH).order_by(*order))


def clients(s: Session) -> list[ClientValue]:
    """Clients by name."""
    return read_all(s, ClientValue, select(CLIENT).order_by(CLIENT.c.name))


def subclients(s: Session, policy_id: int | None = None) -> list[SubclientValue]:
    """Subclients by client and name; of one policy, or all."""
    query = (
        select(SUBCLIENT, CLIENT.c.name.label("client"))
        .join_from(SUBCLIENT, CLIENT)
        .order_by(CLIENT.c.name, SUBCLIENT.c.name)
    )
    if policy_id is not None:
        query = query.where(SUBCLIENT.c.policy_id == policy_id)
    return read_all(s, SubclientValue, query)


def content_subclient(s: Session, name: str) -> SubclientValue:
    """A subclient that auxtui itself backs up, by `client/subclient`.

    Raises:
        UsageError: it adopts what others write.
        NotFoundError: there is none of that name.
    """
    every = subclients(s)
    known = [value.full_name for value in every if value.kind == SubclientKind.CONTENT]
    for value in every:
        if value.full_name == name and value.kind == SubclientKind.CONTENT:
            return value
        if value.full_name == name:
            raise UsageError(
                f"subclient {name} adopts what others write in {value.landing}: it is not backed up",
                hint=f"adopt what is there: auxtui scan {name}",
            )
    raise NotFoundError(
        f"there is no subclient {name}",
        hint=f"backed up by auxtui: {', '.join(known) or 'none'}",
    )


def windows(s: Session) -> list[WindowValue]:
    """Operation windows by name."""
    return read_all(s, WindowValue, select(WINDOW).order_by(WINDOW.c.name))


def schedules(s: Session) -> list[ScheduleValue]:
    """Schedules by name."""
    return read_all(s, ScheduleValue, select(SCHEDULE).order_by(SCHEDULE.c.name))


def alerts(s: Session) -> list[AlertValue]:
    """Alerts by name."""
    return read_all(s, AlertValue, select(ALERT).order_by(ALERT.c.name))


def set_path_state(s: Session, path: DataPathValue, state: LibraryState, reason: str) -> None:
    """Says what a look at a library through one of its data paths has found."""
    connection_of(s).execute(
        update(DATA_PATH)
        .where(
            DATA_PATH.c.library_id == path.library_id,
            DATA_PATH.c.media_agent_id == path.media_agent_id,
        )
        .values(state=state, state_reason=reason)
    )


def set_library_state(
    s: Session,
    library_id: int,
    state: LibraryState,
    reason: str,
    free_bytes: int | None,
    total_bytes: int | None,
    now: datetime,
    *,
    line: JsonObject | None = None,
) -> None:
    """Says what a look at a library has found.

    Args:
        s: a writing session.
        library_id: which library.
        state: what it is now.
        reason: why, where it is not online.
        free_bytes: what can be written there, in bytes; None: not known.
        total_bytes: its size in bytes; None: not known.
        now: the present.
        line: what is known of the line to it; None keeps what is there.
    """
    columns: dict[str, object] = {
        "state": state,
        "state_reason": reason,
        "free_bytes": free_bytes,
        "total_bytes": total_bytes,
        "checked_at": now,
    }
    if line is not None:
        columns["line"] = line
    if reason:
        columns |= {"last_error": reason, "last_error_at": now}
    connection_of(s).execute(
        update(LIBRARY).where(LIBRARY.c.id == library_id).values(plain(columns))
    )


def set_library_uuid(s: Session, library_id: int, uuid: str) -> None:
    """Remembers the identity in the marker of a library."""
    connection_of(s).execute(update(LIBRARY).where(LIBRARY.c.id == library_id).values(uuid=uuid))


def believe(s: Session, subclient_id: int, files: int, size_bytes: int, now: datetime) -> None:
    """Says that what a backup found is what there is.

    Args:
        s: a writing session.
        subclient_id: which subclient.
        files: names of files.
        size_bytes: of these.
        now: the present.
    """
    columns: dict[str, object] = {
        "state": LibraryState.ONLINE,
        "state_reason": "",
        "scanned_at": now,
        "believed_files": files,
        "believed_bytes": size_bytes,
    }
    connection_of(s).execute(
        update(SUBCLIENT).where(SUBCLIENT.c.id == subclient_id).values(plain(columns))
    )


def set_subclient_state(
    s: Session,
    subclient_id: int,
    state: LibraryState,
    reason: str,
    now: datetime,
    *,
    landing_identity: JsonObject | None = None,
) -> None:
    """Says what a scan of a landing directory has found.

    Args:
        s: a writing session.
        subclient_id: which subclient.
        state: online or offline.
        reason: why, where it is not online.
        now: the present.
        landing_identity: the identity to hold it to from now on; None keeps what is known.
    """
    columns: dict[str, object] = {"state": state, "state_reason": reason, "scanned_at": now}
    if landing_identity is not None:
        columns["landing_identity"] = landing_identity
    connection_of(s).execute(
        update(SUBCLIENT).where(SUBCLIENT.c.id == subclient_id).values(plain(columns))
    )
