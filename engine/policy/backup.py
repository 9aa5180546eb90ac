"""Which level a backup gets, and whether what it found may be believed: decisions with reasons."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.states import Level

SHRUNK_PCT = 50  # of the files or bytes; less may be a clean-up


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The last backup of a subclient, as the next one finds it."""

    job_id: int
    cycle: int
    content: tuple[str, ...]
    exclude: tuple[str, ...]
    one_file_system: bool
    not_available: tuple[int, ...] = ()
    """Backup jobs that it needs and that no copy has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelDecision:
    """The level of a backup, and why it is not what was asked for."""

    level: Level
    reason: str = ""


def choose_level(
    asked: Level,
    before: Before | None,
    *,
    newest_job_id: int,
    content: tuple[str, ...],
    exclude: tuple[str, ...],
    one_file_system: bool,
) -> LevelDecision:
    """Full, or incremental to the backup before.

    Args:
        asked: by whoever starts it, or the subclient's own.
        before: the last backup, whose index is there; None: there is none.
        newest_job_id: of the subclient; 0: none was made. One without an index has no `before`.
        content: of the subclient now.
        exclude: likewise.
        one_file_system: likewise.
    """
    if asked is Level.FULL:
        return LevelDecision(level=Level.FULL)
    if before is None:
        why = (
            f"the index of backup job {newest_job_id} is not there"
            if newest_job_id
            else "it is the first backup"
        )
        return LevelDecision(level=Level.FULL, reason=why)
    now = (content, exclude, one_file_system)
    if (before.content, before.exclude, before.one_file_system) != now:
        return LevelDecision(
            level=Level.FULL, reason=f"its content is configured otherwise than for {before.job_id}"
        )
    if before.not_available:
        names = ", ".join(str(job_id) for job_id in before.not_available[:3])
        return LevelDecision(
            level=Level.FULL, reason=f"no copy has backup job {names} any more, which it would need"
        )
    return LevelDecision(level=Level.INCREMENTAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much a backup found."""

    files: int
    size_bytes: int


def shrunk(now: Amount, before: Amount, pct: int) -> str:
    """Why what was found is not believed; empty when it looks right.

    Args:
        now: what this backup found.
        before: what was there when it was last believed.
        pct: so much may not be gone, 1 to 100.
    """
    for what, is_now, was in (
        ("files", now.files, before.files),
        ("bytes", now.size_bytes, before.size_bytes),
    ):
        if was and (was - is_now) * 100 >= was * pct and is_now < was:
            gone = (was - is_now) * 100 // was
            return f"{gone} % of its {what} are gone: {is_now} of {was} are left"
    return ""
