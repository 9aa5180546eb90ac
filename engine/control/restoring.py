"""The front door's part for restores: the request, and what it would do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from engine.catalog import config, ledger
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.control.asking import request
from engine.model.errors import UsageError
from engine.model.names import path_to_json, refuse_unwritable
from engine.model.states import JobCopyState, Operation, RequestKind
from engine.operations.coming_back import ComingBack, coming_back
from engine.operations.restore_request import check_restore

_HELD = (JobCopyState.AVAILABLE, JobCopyState.BAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePreview:
    """What a restore would read, and where from."""

    backup_job_id: int
    subclient: str
    """`client/subclient`."""
    level: str
    completed_at: datetime
    coming: ComingBack | None
    """What was asked for and comes back, whichever backup job holds it; None where only a copy knows."""
    policy: str
    copies: tuple[str, ...]
    """That can give it, in the order in which they are asked."""
    also_on: tuple[str, ...]
    """Copies that hold it too and are not asked: another one was named."""
    bad_on: tuple[str, ...]
    """Copies that hold it and are bad; one of them may have been named."""
    not_on: tuple[str, ...]
    """Copies of the policy that lack it."""


def run_restore(
    home: Home,
    backup_job_id: int | None,
    *,
    to: str,
    copy: str | None,
    path_globs: Sequence[str],
    overwrite: bool,
    identity_files: Sequence[str] = (),
    by: str,
    subclient: str | None = None,
    as_of: datetime | None = None,
    paths: Sequence[bytes] = (),
) -> int:
    """Starts a restore of a backup job below a directory; returns its job id.

    Args:
        home: whose.
        backup_job_id: which; None: that of a subclient as of a time.
        to: the directory.
        copy: from this one only; None: by precedence.
        path_globs: only what matches, or lies below what does; empty: all.
        overwrite: replace files that are there.
        identity_files: age key files, for copies that are encrypted.
        by: who asks.
        subclient: `client/subclient` that auxtui backs up, instead of a backup job.
        as_of: aware; None: its newest backup.
        paths: exact paths as `browse` gives them, each with all below it; with `path_globs` what
            is in either.

    Raises:
        UsageError, NotFoundError: refused; nothing was changed.
    """
    if not to.strip():
        raise UsageError("no target is named", hint="name a directory: --to DIR")
    payload = {
        **_payload(backup_job_id, os.path.abspath(to), copy, subclient, as_of),
        "marked": [path_to_json(path) for path in paths],
        "paths": list(path_globs),
        "overwrite": overwrite,
        "identity_files": list(identity_files),
    }
    return int(request(home, RequestKind.RUN, None, payload, by=by)["job_id"])


def preview_restore(
    home: Home,
    backup_job_id: int | None,
    *,
    to: str,
    copy: str | None,
    subclient: str | None = None,
    as_of: datetime | None = None,
    path_globs: Sequence[str] = (),
    paths: Sequence[bytes] = (),
) -> RestorePreview:
    """What such a restore would read; changes nothing and needs no service. Arguments as there.

    Raises:
        UsageError, NotFoundError: it would be refused.
    """
    payload = {
        **_payload(backup_job_id, to, copy, subclient, as_of),
        "marked": [path_to_json(path) for path in paths],
        "paths": list(path_globs),
    }
    catalog = open_catalog(home)
    try:
        with catalog.read() as session:
            options, policy_id, policy, copies = check_restore(session, home, payload)
            job = ledger.backup_job(session, options["backup_job_id"])
            value = next(v for v in config.subclients(session) if v.id == job.subclient_id)
            every = [each.name for each in config.copies(session, policy_id)]
            holds = _states_by_copy(session, policy_id, job.id)
    finally:
        catalog.close()
    return RestorePreview(
        backup_job_id=job.id,
        subclient=f"{value.client}/{value.name}",
        level=job.level,
        completed_at=job.completed_at,
        coming=coming_back(home, job, options),
        policy=policy,
        copies=tuple(copies),
        also_on=tuple(
            name
            for name in every
            if name not in copies and holds.get(name) is JobCopyState.AVAILABLE
        ),
        bad_on=tuple(name for name in every if holds.get(name) is JobCopyState.BAD),
        not_on=tuple(name for name in every if holds.get(name) not in _HELD),
    )


def _states_by_copy(
    session: Session, policy_id: int, backup_job_id: int
) -> dict[str, JobCopyState]:
    names = {copy.id: copy.name for copy in config.copies(session, policy_id)}
    return {
        names[line.copy_id]: line.state
        for line in ledger.copies_of(session, backup_job_id)
        if line.copy_id in names
    }


def _payload(
    backup_job_id: int | None,
    to: str,
    copy: str | None,
    subclient: str | None,
    as_of: datetime | None,
) -> dict[str, Any]:
    refuse_unwritable(copy or "", subclient or "", to)
    return {
        "operation": Operation.RESTORE.value,
        "backup_job_id": backup_job_id,
        "subclient": subclient,
        "as_of": None if as_of is None else as_of.isoformat(),
        "to": to,
        "copy": copy,
    }
