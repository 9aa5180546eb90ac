"""Short ways to say what the rules look at."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.model.states import CopyKind, JobCopyState
from engine.policy.plan import Plan, build_plan
from engine.policy.values import CopyRules, LedgerLine, RunOptions, Verdict

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
DAY = 86_400
TAKEN, FOLLOWS = Verdict.TAKEN, Verdict.FOLLOWS
SKIPPED, BLOCKED = Verdict.SKIPPED, Verdict.BLOCKED
PRIMARY = CopyRules(copy_id=1, name="primary", kind=CopyKind.PRIMARY, source_copy_id=None)


def at(text: str) -> float:
    """Seconds since the epoch of a UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def line(job=1, **changes) -> LedgerLine:
    """A full backup job that the source has and the copy has not."""
    facts = {
        "backup_job_id": job,
        "subclient": "db1/pg",
        "level": "full",
        "completed_at": NOW - 10 * DAY + job,
        "size_bytes": 100,
        "cycle": job,
        "source_state": JobCopyState.AVAILABLE,
        "source_available_at": NOW - 10 * DAY + job,
        "source_verification": "never",
        "state": None,
    }
    return LedgerLine(**{**facts, **changes})


def synchronous(copy_id=2, name="offsite", **changes) -> CopyRules:
    """A synchronous copy of the primary."""
    facts = {"kind": CopyKind.SYNCHRONOUS, "source_copy_id": 1}
    return CopyRules(copy_id=copy_id, name=name, **{**facts, **changes})


def selective(rule="all-fulls", take="first", copy_id=3, name="vault", **changes) -> CopyRules:
    """A selective copy of the primary."""
    facts = {"kind": CopyKind.SELECTIVE, "source_copy_id": 1}
    return CopyRules(
        copy_id=copy_id, name=name, select_rule=rule, take=take, **{**facts, **changes}
    )


def plan(policy, lines_by_copy, **options) -> Plan:
    """The plan of a run over all copies of a policy."""
    return build_plan(policy, lines_by_copy, now=NOW, options=RunOptions(**options))
