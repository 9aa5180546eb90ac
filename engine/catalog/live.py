"""The quick way to the catalog for consoles and listing commands: stdlib `sqlite3`, read only.

Importing SQLModel costs more than the whole start of the console, so nothing here may import it.
Rows become the frozen values of `live_values`. The one thing written here is a request.
Estate queries (tree, counts) are in `live_estate`, those of jobs in `live_jobs`, of the ledger in
`live_ledger`, of standings, trends and alarms in `live_watch`; this module owns the connection and
joins them into one class.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from engine.catalog.live_estate import EstateQueries
from engine.catalog.live_jobs import JobQueries
from engine.catalog.live_ledger import LedgerQueries
from engine.catalog.live_rows import at, reading, to_text
from engine.catalog.live_values import RequestAnswer
from engine.catalog.revision import HEAD, REVISIONS, VERSION_TABLE
from engine.catalog.running_values import ServiceValue
from engine.model.errors import CatalogCorrupt, CatalogOutdated, CatalogTooNew, NotFoundError
from engine.model.names import shown
from engine.model.states import RequestKind

BUSY_S = 5.0  # as long as a writer of the service may hold the catalog


class LiveCatalog(EstateQueries, JobQueries, LedgerQueries):
    """An open, read-only view of a catalog; use it in one thread.

    Args:
        path: the catalog file.
        is_alive: whether a service holds it; while none does, a job that is recorded as running
            is told as interrupted. None: as recorded, for those who are the service.

    Raises:
        NotFoundError: there is no such file.
        CatalogCorrupt: it is not a catalog, or was lost.
    """

    def __init__(self, path: Path, *, is_alive: Callable[[], bool] | None = None) -> None:
        self._is_alive = is_alive
        if not path.is_file():
            # Late: it brings SQLAlchemy, which quick commands must not pay for.
            from engine.catalog.home import Home
            from engine.catalog.refusing import refuse_to_replace

            refuse_to_replace(Home(path.parent))
            raise NotFoundError(
                f"no catalog at {path}",
                hint="make one with `auxtui apply FILE.toml`, or try `auxtui demo`",
            )
        self._path = path
        with reading(path):
            self._db = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None
            )
            self._db.row_factory = sqlite3.Row
            self._inode = path.stat().st_ino

    def __enter__(self) -> LiveCatalog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._db.close()

    def data_version(self) -> int:
        """Changes whenever another process has changed the catalog; costs microseconds.

        Raises:
            NotFoundError: the file is gone, or another one stands in its place.
        """
        with reading(self._path):
            try:
                inode = self._path.stat().st_ino
            except FileNotFoundError:
                inode = -1
            if inode != self._inode:
                raise NotFoundError(
                    f"the catalog is gone: {self._path} was moved or deleted",
                    hint="restore it from a backup (`auxtui catalog backup`) or `catalog rebuild`",
                )
            row = self._db.execute("PRAGMA data_version").fetchone()
        return int(row[0])

    def refuse_other_form(self) -> None:
        """Refuses a catalog of another revision; for who stays open, and would show half of it.

        Raises:
            CatalogOutdated: an older auxtui made it, and nothing has brought it up to date.
            CatalogTooNew: a newer auxtui made it.
            CatalogCorrupt: it does not say which.
        """
        if not self._rows("SELECT 1 FROM sqlite_schema WHERE name = ?", VERSION_TABLE):
            return
        stated = self._rows(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
        if len(stated) != 1:
            raise CatalogCorrupt(
                f"the catalog is damaged: it states {len(stated)} revisions instead of one: {self._path}",
                hint="stop the service, keep the file, restore a backup or run `auxtui catalog rebuild`",
            )
        found = str(stated[0][0])
        if found == HEAD:
            return
        if found in REVISIONS:
            raise CatalogOutdated(
                f"the catalog is of an older form ({found}, this auxtui needs {HEAD})",
                hint="stop the older service; then U here, or any command, brings it up to date, after a backup",
            )
        raise CatalogTooNew(
            f"the catalog was made by a newer auxtui ({shown(found)}, this one knows up to {HEAD})",
            hint="use the newer auxtui; nothing was changed",
        )

    def service(self) -> ServiceValue | None:
        """The service as it last reported; None when none ever ran."""
        rows = self._rows(
            "SELECT epoch, pid, host, boot_id, version, state, started_at, heartbeat_at FROM service"
        )
        for row in rows:
            values = dict(row)
            values["started_at"] = at(row["started_at"])
            values["heartbeat_at"] = at(row["heartbeat_at"])
            return ServiceValue(**values)
        return None

    def file_request(
        self,
        kind: RequestKind,
        *,
        by: str,
        job_id: int | None = None,
        payload: Mapping[str, object] | None = None,
    ) -> int:
        """Writes a request for the service; the only thing that a console writes.

        Args:
            kind: what is asked for.
            by: who asks, `user@host`.
            job_id: the job that it is about.
            payload: what the kind needs besides.

        Returns:
            Id of the request, for `answer_to`.

        Raises:
            CatalogBusy: another writer holds the catalog for too long.
        """
        with reading(self._path):
            db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
            try:
                db.execute("PRAGMA synchronous=FULL")
                cursor = db.execute(
                    "INSERT INTO request (at, by, kind, job_id, payload, state, answer)"
                    " VALUES (?, ?, ?, ?, ?, 'filed', '{}')",
                    (to_text(datetime.now(UTC)), by, kind.value, job_id, json.dumps(payload or {})),
                )
                return int(cursor.lastrowid or 0)
            finally:
                db.close()

    def answer_to(self, request_id: int) -> RequestAnswer | None:
        """The service's answer; None while there is none.

        Raises:
            NotFoundError: there is no such request.
        """
        rows = self._rows("SELECT state, answer FROM request WHERE id = ?", request_id)
        if not rows:
            raise NotFoundError(f"no request {request_id} in the catalog")
        if rows[0]["state"] == "filed":
            return None
        return RequestAnswer(state=rows[0]["state"], answer=json.loads(rows[0]["answer"]))
