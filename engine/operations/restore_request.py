"""What a restore is asked for: refused before it begins where it cannot work."""

from __future__ import annotations

import os
from typing import Any

from sqlmodel import Session

from engine.catalog import config, ledger
from engine.catalog.home import Home
from engine.catalog.values import CopyValue
from engine.library.age import load_identities
from engine.library.opening import is_remote
from engine.model.errors import NotFoundError, UsageError
from engine.model.names import path_from_json, path_to_json, shown
from engine.model.states import CopyKind, JobCopyState, SubclientKind
from engine.operations.as_of import asked_backup_job

BEGUN = "begun"
"""Member of the job's options, once it has written into its target."""


def check_restore(
    session: Session, home: Home, payload: dict[str, Any]
) -> tuple[dict[str, Any], int, str, list[str]]:
    """Refuses a restore that cannot work; returns options, policy and copies for the job's row.

    Raises:
        NotFoundError: no such backup job or copy.
        UsageError: the copy does not hold it, or no copy does.
    """
    backup_job_id = asked_backup_job(session, payload)
    job = ledger.backup_job(session, backup_job_id)
    kinds = {value.id: value.kind for value in config.subclients(session)}
    is_content = kinds[job.subclient_id] == SubclientKind.CONTENT
    policy = next(p for p in config.policies(session) if p.id == job.policy_id)
    wanted = payload.get("copy")
    copies = candidates_of(
        session, policy.id, backup_job_id, None if wanted is None else str(wanted)
    )
    target = str(payload.get("to", ""))
    if not target.startswith("/"):
        raise UsageError(f"the target {target!r} is not an absolute path")
    if os.path.lexists(target) and not os.path.isdir(target):
        raise UsageError(f"the target {shown(target)} is not a directory")
    refuse_protected(session, home, target)
    options = {
        "backup_job_id": backup_job_id,
        "to": target,
        "copy": wanted,
        "paths": [str(glob) for glob in payload.get("paths", [])],
        "marked": [path_to_json(path_from_json(one)) for one in payload.get("marked", [])],
        "overwrite": bool(payload.get("overwrite", False)),
        "content": is_content,
        "identity_files": identity_files_of(payload),
        "retries": 0,
    }
    if payload.get(BEGUN):
        options[BEGUN] = True
    return options, policy.id, policy.name, [copy.name for copy in copies]


def identity_files_of(payload: dict[str, Any]) -> list[str]:
    """Identity files that a restore was given: their paths, which are all that is kept of them.

    Raises:
        UsageError: one cannot be used, and why.
    """
    files = [str(path) for path in payload.get("identity_files", [])]
    for path in files:
        if not path.startswith("/"):
            raise UsageError(f"the identity file {shown(path)} is not an absolute path")
        problems = load_identities([path]).problems
        if problems:
            raise UsageError(problems[0], hint="a key file of age or ssh, mode 0600")
    return files


def refuse_protected(session: Session, home: Home, target: str) -> None:
    """Refuses a target in a library, a landing directory or the home: nothing of others is written there.

    Raises:
        UsageError: names what lies there.
    """
    real = os.path.realpath(target)
    protected = {
        str(home.path): "the home of this CommCell (AUXTUI_HOME)",
        **{
            library.url: f"library {library.name}"
            for library in config.libraries(session)
            if not is_remote(library.url)
        },
        **{
            value.landing: f"the landing directory of {value.client}/{value.name}"
            for value in config.subclients(session)
            if value.landing
        },
    }
    for path, what in protected.items():
        root = os.path.realpath(path.removeprefix("file://"))
        if real == root or real.startswith(f"{root}/"):
            raise UsageError(
                f"cannot restore to {shown(target)}: it is in {what}",
                hint="restore to a directory of its own, look at it, then move it",
            )


def candidates_of(
    session: Session, policy_id: int, backup_job_id: int, wanted: str | None
) -> list[CopyValue]:
    """Copies that hold a backup job, lowest precedence first; a named copy is the only one.

    One that is named may be bad: what is right of it can still be read.

    Raises:
        NotFoundError: the policy has no copy of that name.
        UsageError: it is available on none, or not on the named one.
    """
    every = sorted(
        config.copies(session, policy_id),
        key=lambda copy: (copy.kind != CopyKind.PRIMARY, copy.precedence, copy.id),
    )
    if wanted is not None:
        every = [copy for copy in every if copy.name == wanted]
        if not every:
            raise NotFoundError(f"there is no copy {wanted} in the policy of job {backup_job_id}")
    lines = [(copy, ledger.job_copy(session, copy.id, backup_job_id)) for copy in every]
    good = [copy for copy, line in lines if line and line.state is JobCopyState.AVAILABLE]
    bad = [copy for copy, line in lines if line and line.state is JobCopyState.BAD]
    holding = good or (bad if wanted is not None else [])
    if holding:
        return holding
    where = f"on copy {wanted}" if wanted else "on any copy"
    hint = "see `auxtui copies` for where it is and why not"
    if bad:
        hint = (
            f"what can still be read of a bad one: name the copy, {bad[0].name}: "
            f"auxtui restore {backup_job_id} --copy {bad[0].name} --to DIR"
        )
    raise UsageError(f"backup job {backup_job_id} is not available {where}", hint=hint)
