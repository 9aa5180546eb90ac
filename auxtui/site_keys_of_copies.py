"""The keys of a copy, as fields of a form. Pure."""

from __future__ import annotations

from auxtui.form import Values
from auxtui.site_key import Document, Key, names_at
from engine.model.states import CopyKind

FOR_EVER = "forever"


def _sources(document: Document, place: tuple[str, ...]) -> list[str]:
    """The copies that a copy may read from, the primary first."""
    copies = document.get("policies", {}).get(place[1], {}).get("copies", {})
    primary = [name for name, table in copies.items() if table.get("kind") == CopyKind.PRIMARY]
    first = primary[0] if primary else "primary"
    own = place[3] if len(place) > 3 else ""
    return [first, *(name for name in copies if name not in (first, own))]


def _secondary(values: Values) -> bool:
    return values.get("kind") != CopyKind.PRIMARY


def _selective(values: Values) -> bool:
    return values.get("kind") == CopyKind.SELECTIVE


def _cycles(values: Values) -> bool:
    return _selective(values) and values.get("select") == "every-n-cycles"


COPY = (
    Key(
        name="kind",
        label="Kind",
        help="synchronous: every valid backup job; selective: chosen fulls.",
        shape="choice",
        words=(CopyKind.SYNCHRONOUS, CopyKind.SELECTIVE),
        default=CopyKind.SYNCHRONOUS,
        is_kept=True,
    ),
    Key(
        name="library",
        label="Library",
        help="Where the copy lies.",
        shape="choice",
        among=names_at("libraries"),
        may_be_empty="the landing directories",
        is_kept=True,
    ),
    Key(
        name="source",
        label="Source copy",
        help="Which copy it is made from; the primary by default.",
        shape="choice",
        among=_sources,
        applies=_secondary,
    ),
    Key(
        name="active",
        label="Active",
        help="An inactive copy gets nothing from a run, but still ages.",
        shape="flag",
        default=True,
    ),
    Key(
        name="precedence",
        label="Precedence",
        help="Restores take the copy with the lowest number; empty: the next free one.",
        shape="number",
    ),
    Key(
        name="select",
        label="Fulls of each",
        help="Which fulls it takes; manual: only those that are picked.",
        shape="choice",
        tab="Selection",
        words=(
            "all-fulls",
            "hourly",
            "daily",
            "weekly",
            "monthly",
            "quarterly",
            "half-yearly",
            "yearly",
            "every-n-cycles",
            "manual",
        ),
        default="all-fulls",
        applies=_selective,
        is_kept=True,
    ),
    Key(
        name="every",
        label="Every n cycles",
        help="1: every cycle.",
        shape="number",
        tab="Selection",
        default=1,
        applies=_cycles,
    ),
    Key(
        name="take",
        label="Take",
        help="The first or the last full of the period.",
        shape="choice",
        tab="Selection",
        words=("first", "last"),
        default="first",
        applies=_selective,
        is_kept=True,
    ),
    Key(
        name="defer",
        label="Defer",
        help="Eligible so long after it is on the source: 12h, 3d ...",
        tab="Selection",
        default="0s",
        applies=_secondary,
    ),
    Key(
        name="on_and_after",
        label="Backups on and after",
        help="A date like 2026-01-31; older backup jobs are not copied. Empty: all.",
        tab="Selection",
        applies=_secondary,
    ),
    Key(
        name="subclients",
        label="Subclients",
        help="Only these, as client/subclient by commas; empty: all of the policy.",
        shape="list",
        tab="Selection",
        default=[],
        applies=_secondary,
    ),
    Key(
        name="retain",
        label="Retain",
        tab="Retention",
        help="30d, 12w, 7y ...; forever by default. A job copy goes when both are exceeded.",
        default=FOR_EVER,
    ),
    Key(
        name="retain_cycles",
        label="Retain cycles",
        tab="Retention",
        help="So many cycles (a full and what depends on it) stay; 0 by default.",
        shape="number",
        default=0,
    ),
    Key(
        name="extended",
        label="Extended retention",
        help="Keeps one full of each period longer: monthly 1y, yearly 7y.",
        shape="extended",
        tab="Retention",
        default=[],
    ),
    Key(
        name="worm",
        label="WORM",
        help="Nothing goes early, and retention can only grow.",
        shape="flag",
        tab="Retention",
        default=False,
    ),
    Key(
        name="fuse_percent",
        label="Fuse, % at once",
        help="Data aging stops and asks above this share of the copy, 1 to 100.",
        shape="number",
        tab="Retention",
        default=25,
    ),
    Key(
        name="fuse_jobs",
        label="Fuse, job copies",
        help="And above this number of job copies at once.",
        shape="number",
        tab="Retention",
        default=1000,
    ),
    Key(
        name="compression",
        label="Compression",
        help="none: as its source is; zstd: each file compressed.",
        shape="choice",
        tab="Data",
        words=("none", "zstd"),
        default="none",
        applies=_secondary,
    ),
    Key(
        name="encrypt_to",
        label="Encrypt to",
        help="age recipients (age1...), by commas; empty: not encrypted.",
        shape="list",
        tab="Data",
        default=[],
        applies=_secondary,
    ),
    Key(
        name="throttle",
        label="Throttle",
        help="200MiB/s, or by time: mon-fri 08:00-18:00 50MiB/s; empty: none.",
        shape="throttle",
        tab="Data",
        applies=_secondary,
    ),
    Key(
        name="reflink",
        label="Reflink",
        help="On one disk with its source: shares its blocks. Quick, no room, no second copy.",
        shape="flag",
        tab="Data",
        default=False,
        applies=_secondary,
    ),
    Key(
        name="verify",
        label="Verify",
        help='at-write, "5 % a night" or "within 30d"; empty: on request only.',
        tab="Data",
    ),
    Key(
        name="verify_expires",
        label="Verification expires",
        help="After so long it is verified again: 90d, 1y ...; empty: never.",
        tab="Data",
    ),
    Key(
        name="verify_throttle",
        label="Verification limit",
        help="Rate of data verification: 50MiB/s; empty: none.",
        tab="Data",
    ),
)
