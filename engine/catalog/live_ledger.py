"""The ledger as consoles see it: backup jobs on a copy, by index and by page, never all at once."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Sequence

from engine.catalog.live_rows import LiveQueries, at, known_at, marks, to_text
from engine.catalog.live_values import LedgerFilter, LedgerOrder, LiveBackupJob, LiveJobCopy
from engine.model.errors import NotFoundError
from engine.model.states import INCOMPLETE

_JOB_COPY = """
SELECT j.backup_job_id, j.copy_id, p.name AS policy, y.name AS copy, c.name AS client,
       s.name AS subclient, b.level, b.name, b.started_at, b.completed_at, b.size_bytes, b.files,
       b.chunks, j.state, j.reason, j.next_step, j.chunks_done, j.bytes_done, j.copied_at,
       j.copied_by_job, j.verification, j.verified_at, j.retain_until, j.retained_by, j.decision,
       j.decided_by, j.decided_at, j.priority, j.tries, y.kind,
       j.pinned_by, j.pinned_until, j.pinned_at, j.encoding
FROM job_copy j JOIN backup_job b ON b.id = j.backup_job_id
JOIN subclient s ON s.id = b.subclient_id JOIN client c ON c.id = s.client_id
JOIN policy_copy y ON y.id = j.copy_id JOIN storage_policy p ON p.id = y.policy_id
"""

_BACKUP_JOB = """
SELECT b.id, c.name AS client, s.name AS subclient, b.policy_id, p.name AS policy, b.level,
       b.name, b.cycle, b.started_at, b.completed_at, b.adopted_at, b.size_bytes, b.files, b.chunks
FROM backup_job b JOIN subclient s ON s.id = b.subclient_id JOIN client c ON c.id = s.client_id
JOIN storage_policy p ON p.id = b.policy_id
"""

_AT_ONCE = 1000  # lines of a page of the whole ledger
_PINS = ("pinned_until", "pinned_at")
_ORDERS = {
    LedgerOrder.ID: "j.backup_job_id",
    LedgerOrder.STATE: "j.state",
    LedgerOrder.CLIENT: "c.name, s.name",
    LedgerOrder.SIZE: "b.size_bytes",
    LedgerOrder.STARTED: "b.started_at",
    LedgerOrder.COPIED: "j.copied_at",
}
_JOINED = (
    " JOIN backup_job b ON b.id = j.backup_job_id JOIN subclient s ON s.id = b.subclient_id"
    " JOIN client c ON c.id = s.client_id"
)


def _job_copy(row: sqlite3.Row) -> LiveJobCopy:
    values = dict(row)
    for name in ("copied_at", "verified_at", "retain_until", "decided_at", *_PINS):
        values[name] = at(row[name])
    for name in ("started_at", "completed_at"):
        values[name] = known_at(row[name])
    return LiveJobCopy(**values)


class LedgerQueries(LiveQueries):
    """Queries of the ledger."""

    def job_copy_ids(
        self,
        copy_id: int,
        where: LedgerFilter | None = None,
        *,
        order: LedgerOrder = LedgerOrder.ID,
        descending: bool = True,
        offset: int = 0,
        limit: int | None = None,
    ) -> array[int]:
        """Ids of the backup jobs on a copy in the order of a list; 8 bytes each, from an index.

        Args:
            copy_id: the copy.
            where: which ones; None: all.
            order: what they are sorted by; ties by id.
            descending: the last ones first.
            offset: so many are left out, 0 or more.
            limit: at most so many; None: all.
        """
        text, parameters, joined = _ledger_where(copy_id, where or LedgerFilter())
        joined = joined or order not in (LedgerOrder.ID, LedgerOrder.STATE, LedgerOrder.COPIED)
        way = " DESC" if descending else ""
        keys = ", ".join(f"{key}{way}" for key in _ORDERS[order].split(", "))
        sql = (
            f"SELECT j.backup_job_id FROM job_copy j{_JOINED if joined else ''} WHERE {text}"  # noqa: S608 - fixed conditions
            f" ORDER BY {keys}, j.backup_job_id{way} LIMIT ? OFFSET ?"
        )
        rows = self._rows(sql, *parameters, -1 if limit is None else limit, offset)
        return array("q", (row[0] for row in rows))

    def job_copies_by_id(self, copy_id: int, ids: Sequence[int]) -> dict[int, LiveJobCopy]:
        """Lines of the ledger of one copy; what is gone is missing."""
        sql = f"{_JOB_COPY} WHERE j.copy_id = ? AND j.backup_job_id IN ({{ids}})"
        rows = self._rows_by_id(sql, ids, copy_id)
        return {job_id: _job_copy(row) for job_id, row in rows.items()}

    def job_copies_page(
        self,
        copy_id: int,
        where: LedgerFilter | None = None,
        *,
        order: LedgerOrder = LedgerOrder.ID,
        descending: bool = True,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[LiveJobCopy, ...]:
        """One page of the ledger of a copy; arguments as of `job_copy_ids`."""
        ids = self.job_copy_ids(
            copy_id, where, order=order, descending=descending, offset=offset, limit=limit
        )
        found = self.job_copies_by_id(copy_id, ids)
        return tuple(found[job_id] for job_id in ids if job_id in found)

    def job_copies_in_order(
        self, copy_id: int, where: LedgerFilter | None = None, *, limit: int | None = None
    ) -> Iterator[LiveJobCopy]:
        """The ledger of a copy by id, a page at a time: a million lines take no memory.

        Args:
            copy_id: the copy.
            where: which lines; None: all.
            limit: at most so many; None: all.
        """
        ids = self.job_copy_ids(copy_id, where, descending=False, limit=limit)
        for first in range(0, len(ids), _AT_ONCE):
            page = ids[first : first + _AT_ONCE]
            found = self.job_copies_by_id(copy_id, page)
            yield from (found[job_id] for job_id in page if job_id in found)

    def job_copies_count(self, copy_id: int, where: LedgerFilter | None = None) -> int:
        """Number of backup jobs on a copy that match."""
        text, parameters, joined = _ledger_where(copy_id, where or LedgerFilter())
        sql = f"SELECT count(*) FROM job_copy j{_JOINED if joined else ''} WHERE {text}"  # noqa: S608 - fixed conditions
        return int(self._rows(sql, *parameters)[0][0])

    def job_copies_of(self, backup_job_id: int) -> tuple[LiveJobCopy, ...]:
        """One backup job on every copy that has a line for it, by precedence."""
        rows = self._rows(
            f"{_JOB_COPY} WHERE j.backup_job_id = ? ORDER BY y.kind <> 'primary', y.precedence",
            backup_job_id,
        )
        return tuple(_job_copy(row) for row in rows)

    def incomplete(self) -> dict[int, int]:
        """Per copy id how many of its job copies are available without something that lay there."""
        rows = self._rows(
            "SELECT copy_id, count(*) AS n FROM job_copy"
            " WHERE state = 'available' AND reason LIKE ? GROUP BY copy_id",
            f"{INCOMPLETE}%",
        )
        return {row["copy_id"]: row["n"] for row in rows}

    def backup_job(self, backup_job_id: int) -> LiveBackupJob:
        """One backup job.

        Raises:
            NotFoundError: there is none of that id.
        """
        found = self.backup_jobs_by_id((backup_job_id,))
        if backup_job_id not in found:
            raise NotFoundError(f"no backup job {backup_job_id}")
        return found[backup_job_id]

    def backup_job_ids(self, subclient_id: int) -> array[int]:
        """Ids of the backup jobs of a subclient, newest first."""
        rows = self._rows(
            "SELECT id FROM backup_job WHERE subclient_id = ? ORDER BY completed_at DESC, id DESC",
            subclient_id,
        )
        return array("q", (row[0] for row in rows))

    def backup_jobs_by_id(self, ids: Sequence[int]) -> dict[int, LiveBackupJob]:
        """The backup jobs of these ids; what is gone is missing."""
        rows = self._rows_by_id(f"{_BACKUP_JOB} WHERE b.id IN ({{ids}})", ids)
        found: dict[int, LiveBackupJob] = {}
        for job_id, row in rows.items():
            values = dict(row)
            for name in ("started_at", "completed_at", "adopted_at"):
                values[name] = known_at(row[name])
            found[job_id] = LiveBackupJob(**values)
        return found


def _ledger_where(copy_id: int, where: LedgerFilter) -> tuple[str, list[object], bool]:
    """Condition, parameters, and whether it needs the backup job, subclient and client."""
    conditions, parameters = ["j.copy_id = ?"], list[object]([copy_id])
    if where.states:
        conditions.append(f"j.state IN ({marks(len(where.states))})")
        parameters.extend(state.value for state in where.states)
    for column, value in (("j.verification", where.verification), ("j.decision", where.decision)):
        if value:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    for column, value in (("j.reason", where.reason), ("j.retained_by", where.retained_by)):
        if value:
            conditions.append(f"instr(lower({column}), ?) > 0")
            parameters.append(value.lower())
    if where.retain_until is not None:
        conditions.append("j.retain_until < ?")
        parameters.append(to_text(where.retain_until))
    own = len(conditions)
    for column, value in (
        ("b.level", where.level),
        ("c.name", where.client),
        ("s.name", where.subclient),
    ):
        if value:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    for test, moment in (("b.started_at >= ?", where.since), ("b.started_at < ?", where.until)):
        if moment is not None:
            conditions.append(test)
            parameters.append(to_text(moment))
    for test, size_bytes in (
        ("b.size_bytes >= ?", where.least_bytes),
        ("b.size_bytes <= ?", where.most_bytes),
    ):
        if size_bytes is not None:
            conditions.append(test)
            parameters.append(size_bytes)
    if where.text:
        conditions.append(
            "instr(lower(b.id || ' ' || c.name || '/' || s.name || ' ' || CAST(b.name AS TEXT)"
            " || ' ' || j.reason), ?) > 0"
        )
        parameters.append(where.text.lower())
    return " AND ".join(conditions), parameters, len(conditions) > own
