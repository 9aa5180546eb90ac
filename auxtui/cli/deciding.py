"""Records an operator's word on single job copies; what pick, unpick, recopy and mark-bad share."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui import format as fmt
from auxtui.cli.completing import copy_names
from auxtui.cli.output import say, write_json
from auxtui.cli.terms import Terms, whoami
from auxtui.cli.words import policy_and_copy
from engine.model.errors import UsageError
from engine.model.names import shown

CopyName = Annotated[
    str, typer.Argument(metavar="POLICY/COPY", help="The copy.", autocompletion=copy_names)
]
BackupJobs = Annotated[
    list[int],
    typer.Argument(metavar="JOB...", min=1, max=2**63 - 1, help="Backup jobs, by id."),
]


def decide(terms: Terms, name: str, backup_jobs: list[int], decision: str, said: str) -> None:
    """Files the decision and says what was decided.

    Args:
        terms: whose CommCell, and how to answer.
        name: `POLICY/COPY`.
        backup_jobs: ids.
        decision: picked, do_not_copy, recopy, bad; empty: the rules decide again.
        said: how the answer reads, after the number of backup jobs.
    """
    from engine.control import frontdoor

    policy, copy = named_copy(name)
    frontdoor.decide(terms.home, policy, copy, backup_jobs, decision, by=whoami())
    if terms.as_json:
        write_json(
            {"policy": policy, "copy": copy, "backup_jobs": backup_jobs, "decision": decision}
        )
    else:
        say(f"{fmt.count(len(backup_jobs), 'backup job')} {said} {policy}/{copy}")


def named_copy(name: str) -> tuple[str, str]:
    """The parts of `POLICY/COPY`.

    Raises:
        UsageError: it is something else.
    """
    policy, copy = policy_and_copy(name)
    if not copy:
        raise UsageError(
            f'"{shown(name)}" names no copy', hint="POLICY/COPY, e.g. databases/offsite"
        )
    return policy, copy
