"""Makes the ledger say what a plan says, writing only what changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import BindParameter, ColumnElement, bindparam, case, insert, select, update
from sqlmodel import Session

from engine.catalog.rows import JOB_COPY, connection_of
from engine.model.states import LAST_FAILED, JobCopyState
from engine.policy.values import PlanLine, Verdict

_IDS_PER_QUERY = 500  # below the number of parameters that every database takes
_KnownRow = tuple[int, str, str, str]
_AVAILABLE = JobCopyState.AVAILABLE.value
_BAD = JobCopyState.BAD.value
_SETTLED = frozenset({_AVAILABLE, JobCopyState.AGED.value})


def apply_verdicts(s: Session, lines: Iterable[PlanLine], now: datetime) -> int:
    """Makes the ledger say what a plan says; writes only rows that change.

    What is available or aged stays so, and what is partially copied is not called to be copied.

    Args:
        s: a writing session.
        lines: verdicts, each pair of copy and backup job at most once.
        now: the present.

    Returns:
        The number of rows that were written.
    """
    by_copy = _by_copy(lines)
    return sum(_apply_to_copy(s, copy_id, of_copy, now) for copy_id, of_copy in by_copy.items())


def changes(s: Session, lines: Iterable[PlanLine]) -> list[PlanLine]:
    """The verdicts that would change the ledger: a look before writing keeps the writing short."""
    found: list[PlanLine] = []
    for copy_id, of_copy in _by_copy(lines).items():
        new, changed = _compared(s, copy_id, of_copy)
        ids = {row["id"] for row in (*new, *changed)}
        found += [line for line in of_copy if line.backup_job_id in ids]
    return found


def _by_copy(lines: Iterable[PlanLine]) -> dict[int, list[PlanLine]]:
    by_copy: dict[int, list[PlanLine]] = {}
    for line in lines:
        by_copy.setdefault(line.copy_id, []).append(line)
    return by_copy


def _apply_to_copy(s: Session, copy_id: int, lines: list[PlanLine], now: datetime) -> int:
    new, changed = _compared(s, copy_id, lines)
    _insert_lines(s, copy_id, new, now)
    _update_lines(s, copy_id, changed, now)
    return len(new) + len(changed)


def _known(s: Session, copy_id: int, lines: Sequence[PlanLine]) -> dict[int, _KnownRow]:
    """What the ledger says of these backup jobs."""
    row = JOB_COPY.c
    query = select(row.backup_job_id, row.state, row.reason, row.next_step).where(
        row.copy_id == copy_id
    )
    if len(lines) <= _IDS_PER_QUERY:
        query = query.where(row.backup_job_id.in_([line.backup_job_id for line in lines]))
    # Straight from the driver: nothing here needs converting.
    rows = cast("Iterable[_KnownRow]", connection_of(s).execute(query).cursor)
    return {found[0]: found for found in rows}


def _compared(
    s: Session, copy_id: int, lines: Sequence[PlanLine]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows to insert and rows to update."""
    known = _known(s, copy_id, lines)
    partial, to_be_copied = JobCopyState.PARTIALLY_COPIED.value, JobCopyState.TO_BE_COPIED.value
    new: list[dict[str, object]] = []
    changed: list[dict[str, object]] = []
    for line in lines:
        state = line.state.value
        before = known.get(line.backup_job_id)
        target = new
        if before is not None:
            is_again = before[1] == state == _AVAILABLE and line.verdict is Verdict.TAKEN
            if before[1] in _SETTLED and not is_again:  # what is copied again says so
                continue
            if before[1] == partial and state == to_be_copied:
                state = partial
            if before[1] == state and before[2] == line.reason and before[3] == line.next_step:
                continue
            if before[1] == state == _BAD and before[3] and line.verdict is Verdict.BLOCKED:
                continue  # whoever found it bad said why, and what can be done
            is_known = before[1] == state and before[2] == line.reason
            if is_known and line.reason.startswith(LAST_FAILED):
                continue  # the step that belongs to the failure stays with it
            target = changed
        target.append(
            {
                "id": line.backup_job_id,
                "state": state,
                "reason": line.reason,
                "next_step": line.next_step,
            }
        )
    return new, changed


def _insert_lines(s: Session, copy_id: int, rows: list[dict[str, object]], now: datetime) -> None:
    if not rows:
        return
    statement = insert(JOB_COPY).values(
        copy_id=copy_id,
        backup_job_id=bindparam("id"),
        state=bindparam("state"),
        reason=bindparam("reason"),
        next_step=bindparam("next_step"),
        state_at=now,
    )
    connection_of(s).execute(statement, rows)


def _update_lines(s: Session, copy_id: int, rows: list[dict[str, object]], now: datetime) -> None:
    if not rows:
        return
    new_state: BindParameter[str] = bindparam("new_state")
    statement = (
        update(JOB_COPY)
        .where(JOB_COPY.c.copy_id == copy_id, JOB_COPY.c.backup_job_id == bindparam("id"))
        .values(
            state=new_state,
            reason=bindparam("new_reason"),
            next_step=bindparam("new_next_step"),
            state_at=since_when(new_state, now),
        )
    )
    renamed = [
        {
            "id": row["id"],
            "new_state": row["state"],
            "new_reason": row["reason"],
            "new_next_step": row["next_step"],
        }
        for row in rows
    ]
    connection_of(s).execute(statement, renamed)


def since_when(new_state: ColumnElement[Any], now: datetime) -> ColumnElement[Any]:
    """The time since when a row has its state, after it is set to a state again or anew."""
    return case(
        (JOB_COPY.c.state == new_state, JOB_COPY.c.state_at),
        else_=bindparam("since_now", now, type_=JOB_COPY.c.state_at.type),
    )
