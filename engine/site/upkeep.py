"""How a copy is looked after: when its job copies are verified, and how much may be aged at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.catalog.tables import PolicyCopy
from engine.policy.durations import format_duration, format_rate, parse_duration, parse_rate
from engine.policy.fuse import FUSE_JOBS, FUSE_PCT, MAX_FUSE_JOBS
from engine.policy.verification import parse_verify
from engine.site.section import Section

UPKEEP_KEYS = ("verify", "verify_expires", "verify_throttle", "fuse_percent", "fuse_jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """The keys of a copy that verification and aging go by."""

    verify: str = ""
    """`at-write`, `5 % a night`, `within 30d`; empty: on request only."""
    verify_expires_s: int | None = None
    """Seconds after which a verification is no longer believed; None: never."""
    verify_throttle_bps: int | None = None
    """Bytes per second; None: no limit."""
    fuse_pct: int = FUSE_PCT
    """Aging stops and asks above this share of a copy's job copies at once, 1 to 100."""
    fuse_jobs: int = FUSE_JOBS
    """And above this number of them."""


def read_upkeep(section: Section) -> Upkeep:
    """The keys of a copy's table.

    Raises:
        SiteError: a value that cannot be meant.
    """
    verify = section.text("verify")
    if verify:
        verify = section.understood("verify", lambda: parse_verify(verify)).text
    return Upkeep(
        verify=verify,
        verify_expires_s=section.parsed("verify_expires", parse_duration, None),
        verify_throttle_bps=section.parsed("verify_throttle", parse_rate, None),
        fuse_pct=section.integer("fuse_percent", FUSE_PCT, 1, 100),
        fuse_jobs=section.integer("fuse_jobs", FUSE_JOBS, 1, MAX_FUSE_JOBS),
    )


def rendered_upkeep(upkeep: Upkeep) -> dict[str, Any]:
    """The same keys, to compare and to export."""
    expires_s, rate_bps = upkeep.verify_expires_s, upkeep.verify_throttle_bps
    return {
        "verify": upkeep.verify or None,
        "verify_expires": None if expires_s is None else format_duration(expires_s),
        "verify_throttle": None if rate_bps is None else format_rate(rate_bps, exact=True),
        "fuse_percent": upkeep.fuse_pct,
        "fuse_jobs": upkeep.fuse_jobs,
    }


def upkeep_of(row: PolicyCopy) -> Upkeep:
    """What a row of the catalog says."""
    return Upkeep(
        verify=row.verify,
        verify_expires_s=row.verify_expires_s,
        verify_throttle_bps=row.verify_throttle_bps,
        fuse_pct=row.fuse_pct,
        fuse_jobs=row.fuse_jobs,
    )


def store_upkeep(row: PolicyCopy, upkeep: Upkeep) -> None:
    """Writes it to a row of the catalog."""
    row.verify, row.verify_expires_s = upkeep.verify, upkeep.verify_expires_s
    row.verify_throttle_bps = upkeep.verify_throttle_bps
    row.fuse_pct, row.fuse_jobs = upkeep.fuse_pct, upkeep.fuse_jobs
