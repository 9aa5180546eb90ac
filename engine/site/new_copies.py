"""What a new copy begins with: its source may hold more than anybody wants copied."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from engine.catalog import config
from engine.catalog.lines import ledger_lines
from engine.model.states import CopyKind
from engine.policy.backlog import backlog_question
from engine.site.configuration import CopyItem


def backlog_note(session: Session, item: CopyItem, now: datetime) -> str:
    """What to ask of a copy that is added to a policy that has backup jobs; empty: nothing.

    Args:
        session: any session; the copy need not be in it.
        item: the new copy.
        now: aware.
    """
    if item.on_and_after is not None or not item.active or item.select_rule == "manual":
        return ""
    for policy in config.policies(session):
        if policy.name != item.policy:
            continue
        for copy in config.copies(session, policy.id):
            if copy.name == item.source or (not item.source and copy.kind == CopyKind.PRIMARY):
                as_source = (
                    line._replace(source_state=line.state)
                    for line in ledger_lines(session, copy.id)
                )
                question = backlog_question(as_source, now=now.timestamp())
                return f"{question} on_and_after = DATE" if question else ""
    return ""
