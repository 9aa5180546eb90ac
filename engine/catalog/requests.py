"""Requests: what consoles and command lines ask of the service, and what it answers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update
from sqlmodel import Session

from engine.catalog.rows import REQUEST, connection_of, plain, read_all, read_one
from engine.catalog.values import JsonObject, RequestValue
from engine.model.errors import NotFoundError
from engine.model.states import RequestKind, RequestState


def file_request(
    s: Session,
    *,
    kind: RequestKind,
    by: str,
    job_id: int | None = None,
    payload: JsonObject | None = None,
    now: datetime,
) -> int:
    """Files a request; the service looks for new ones a few times a second.

    Args:
        s: a writing session.
        kind: what is asked.
        by: who asks.
        job_id: the job that it is about, if any.
        payload: what it needs to know, as JSON.
        now: the present.

    Returns:
        Its id, to look for the answer.
    """
    columns = {"at": now, "by": by, "kind": kind, "job_id": job_id, "payload": payload or {}}
    columns |= {"state": RequestState.FILED, "answer": {}}
    statement = insert(REQUEST).values(plain(columns)).returning(REQUEST.c.id)
    return int(connection_of(s).execute(statement).scalar_one())


def filed(s: Session) -> list[RequestValue]:
    """Requests without an answer, in the order in which they were filed."""
    query = (
        select(REQUEST).where(REQUEST.c.state == RequestState.FILED.value).order_by(REQUEST.c.id)
    )
    return read_all(s, RequestValue, query)


def answer(s: Session, request_id: int, *, done: bool, answer: JsonObject, now: datetime) -> bool:
    """Answers a request, once.

    Args:
        s: a writing session.
        request_id: which request.
        done: it was done; else it is refused.
        answer: `{"job_id": n}`, or `{"error": .., "hint": .., "exit_code": n}`.
        now: the present.

    Returns:
        False when it had an answer already, which stays.
    """
    state = RequestState.DONE if done else RequestState.REFUSED
    changed = connection_of(s).execute(
        update(REQUEST)
        .where(REQUEST.c.id == request_id, REQUEST.c.state == RequestState.FILED.value)
        .values(plain({"state": state, "answer": answer, "answered_at": now}))
    )
    return changed.rowcount == 1


def request(s: Session, request_id: int) -> RequestValue:
    """One request with its answer, if it has one.

    Raises:
        NotFoundError: there is none with this id.
    """
    found = read_one(s, RequestValue, select(REQUEST).where(REQUEST.c.id == request_id))
    if found is None:
        raise NotFoundError(f"there is no request {request_id} in the catalog")
    return found
