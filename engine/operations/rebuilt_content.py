"""What a rebuild of the catalog brings back of backed-up content: the index, and what was there."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from sqlmodel import Session

from engine.archive.index import IndexEnd
from engine.catalog import config, ledger
from engine.catalog.home import Home
from engine.catalog.values import SubclientValue
from engine.library.age import Identities
from engine.library.interface import JobReader
from engine.model.errors import AuxError
from engine.operations.indexes import fetch_index, open_index
from engine.transfer.decoding import readable


def rebuilt_index(home: Home, reader: JobReader, identities: Identities) -> IndexEnd | None:
    """Fetches the index of a backup where it is not here.

    None when this copy cannot give it: another one may, or a key, now or when it is needed.
    """
    home.make()
    backup_job_id = reader.header.backup_job_id
    end = _end(home, backup_job_id)
    if end is None and identities.may_open(reader.header.encoding):
        with suppress(AuxError):
            fetch_index(home, readable(reader, identities))
        end = _end(home, backup_job_id)
    return end


def believe_newest(
    session: Session, home: Home, subclient: SubclientValue, backup_job_id: int, now: datetime
) -> None:
    """What the newest backup found is what the next one is compared with."""
    newest = ledger.backup_jobs_of(session, subclient.id)[-1]
    end = _end(home, backup_job_id)
    if newest.id == backup_job_id and end is not None:
        config.believe(session, subclient.id, end.files, end.size_bytes, now)


def _end(home: Home, backup_job_id: int) -> IndexEnd | None:
    index = open_index(home, backup_job_id)
    if index is None:
        return None
    end = index.end
    index.close()
    return end
