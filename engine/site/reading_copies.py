"""The copies of one storage policy: kinds, sources, selection, retention."""

from __future__ import annotations

from functools import partial

from engine.library.age import checked_recipient
from engine.library.opening import is_remote
from engine.model.errors import UsageError
from engine.model.states import CopyKind
from engine.policy.durations import parse_duration, parse_rate
from engine.policy.retention import EXTENDED_RULES
from engine.policy.selection import SELECT_RULES, TAKES
from engine.policy.throttling import timetable_from
from engine.policy.zones import zone_of
from engine.site.configuration import Configuration, CopyItem, JsonTable
from engine.site.section import Section
from engine.site.upkeep import UPKEEP_KEYS, read_upkeep
from engine.site.weekly_keys import read_periods

SECONDARY_ONLY = (
    "source",
    "defer",
    "on_and_after",
    "subclients",
    "select",
    "every",
    "take",
    "compression",
    "encrypt_to",
    "throttle",
    "reflink",
)
COPY_KEYS = (
    "kind",
    "library",
    "active",
    "precedence",
    "retain",
    "retain_cycles",
    "extended",
    "worm",
    *SECONDARY_ONLY,
    *UPKEEP_KEYS,
)
PRIMARY_NAME = "primary"
FOR_EVER = "forever"
MAX_COPIES = 1000
MAX_CYCLES = 10_000
COMPRESSIONS = ("none", "zstd")
_SELECTIVE_ONLY = ("select", "every", "take")


def read_copies(
    policy: str, parent: Section, sections: list[tuple[str, Section]], wanted: Configuration
) -> None:
    """Adds the copies of one policy; the primary is made when the file does not name it.

    Args:
        policy: name of the policy.
        parent: its table.
        sections: its copies as they stand in the file.
        wanted: libraries, subclients and policies are in it already; gets the copies.

    Raises:
        SiteError: the first thing that is wrong.
    """
    kinds = {name: _kind_of(name, section) for name, section in sections}
    primaries = [name for name, kind in kinds.items() if kind is CopyKind.PRIMARY]
    if len(primaries) > 1:
        _, second = next(pair for pair in sections if pair[0] == primaries[1])
        raise second.error(
            "kind" if "kind" in second else None,
            f'policy "{policy}" has its primary copy "{primaries[0]}" already',
            hint='one of them needs kind = "synchronous"',
        )
    if not primaries:
        if PRIMARY_NAME in kinds:
            raise parent.error(None, "has no primary copy", hint='give one kind = "primary"')
        primaries = [PRIMARY_NAME]
        sections = [(PRIMARY_NAME, Section(parent.site, parent.path, {}, ())), *sections]
        kinds[PRIMARY_NAME] = CopyKind.PRIMARY
    numbers = _precedences(policy, primaries[0], sections)
    for name, section in sections:
        source = _source(section, name, primaries[0], kinds)
        wanted.copies[policy, name] = _read_copy(
            policy, name, section, kinds[name], source, numbers[name], wanted
        )


def _kind_of(name: str, section: Section) -> CopyKind:
    default = CopyKind.PRIMARY if name == PRIMARY_NAME else CopyKind.SYNCHRONOUS
    kind = CopyKind(section.choice("kind", default, tuple(CopyKind)))
    if kind is CopyKind.PRIMARY:
        for key in SECONDARY_ONLY:
            if key in section:
                raise section.error(key, "does not apply to a primary copy")
    elif kind is CopyKind.SYNCHRONOUS:
        for key in _SELECTIVE_ONLY:
            if key in section:
                raise section.error(
                    key, 'goes with kind = "selective" only', hint="a synchronous copy takes all"
                )
    return kind


def _precedences(policy: str, primary: str, sections: list[tuple[str, Section]]) -> dict[str, int]:
    """Numbers as written, the smallest free ones for the rest: the primary first, then as in the file."""
    numbers: dict[str, int] = {}
    for name, section in sections:
        if "precedence" not in section:
            continue
        number = section.integer("precedence", 0, 1, MAX_COPIES)
        for other, taken in numbers.items():
            if taken == number:
                raise section.error(
                    "precedence", f'copy "{other}" of policy "{policy}" has {number} already'
                )
        numbers[name] = number
    free = iter(sorted(set(range(1, MAX_COPIES + len(sections))) - set(numbers.values())))
    for name, _ in sorted(sections, key=lambda pair: pair[0] != primary):
        if name not in numbers:
            numbers[name] = next(free)
    return numbers


def _source(section: Section, name: str, primary: str, kinds: dict[str, CopyKind]) -> str:
    """Name of the source copy; empty for the primary, however it is written."""
    if "source" not in section:
        return ""
    source = section.text("source")
    if source == primary or (source == PRIMARY_NAME and PRIMARY_NAME not in kinds):
        return ""
    section.reference("source", source, kinds, "copy")
    if source == name:
        raise section.error("source", "a copy cannot be its own source")
    return source


def _read_copy(
    policy: str,
    name: str,
    section: Section,
    kind: CopyKind,
    source: str,
    precedence: int,
    wanted: Configuration,
) -> CopyItem:
    throttle_bps, timetable = _read_throttle(section)
    zone = zone_of(wanted.commcell.time_zone)
    _refuse_no_retention(section)
    associated = [item.label for item in wanted.subclients_of(policy)]
    return CopyItem(
        policy=policy,
        name=name,
        kind=kind,
        precedence=precedence,
        library=_read_library(section, kind, wanted),
        source=source,
        active=section.flag("active", True),
        retain_s=_read_retain(section),
        retain_cycles=section.integer("retain_cycles", 0, 0, MAX_CYCLES),
        extended=_read_extended(section),
        worm=section.flag("worm", False),
        defer_s=section.parsed("defer", parse_duration, 0),
        on_and_after=section.instant("on_and_after", zone),
        subclients=section.choices("subclients", associated, "subclient of this policy"),
        select_rule=section.choice("select", "all-fulls", SELECT_RULES),
        select_every=_read_every(section),
        take=section.choice("take", "first", TAKES),
        compression=section.choice("compression", "none", COMPRESSIONS),
        encrypt_to=_read_recipients(section),
        throttle_bps=throttle_bps,
        throttle_timetable=timetable,
        reflink=_read_reflink(section, wanted),
        upkeep=read_upkeep(section),
    )


def _read_library(section: Section, kind: CopyKind, wanted: Configuration) -> str:
    if "library" in section:
        return section.reference("library", section.text("library"), wanted.libraries, "library")
    if kind is not CopyKind.PRIMARY:
        raise section.error(None, 'needs "library": a secondary copy lies somewhere')
    return ""


def _read_reflink(section: Section, wanted: Configuration) -> bool:
    """Refuses it where no block can ever be shared."""
    if not section.flag("reflink", False):
        return False
    library = wanted.libraries[section.text("library")]
    if is_remote(library.url):
        raise section.error(
            "reflink",
            f'library "{library.name}" is not on this host: no block can be shared with it',
            hint="leave it out, or give the copy a library on the file system of its source",
        )
    if section.choice("compression", "none", COMPRESSIONS) != "none" or section.texts("encrypt_to"):
        raise section.error(
            "reflink",
            "goes with files as they are only: what is compressed or encrypted has other blocks",
        )
    return True


def _read_retain(section: Section) -> int | None:
    if section.text("retain") == FOR_EVER:
        return None
    return section.parsed("retain", parse_duration, None)


def _refuse_no_retention(section: Section) -> None:
    """Refuses a copy that keeps nothing: all of it would go as soon as it is copied."""
    nothing = _read_retain(section) == 0 and section.integer("retain_cycles", 0, 0, MAX_CYCLES) == 0
    if nothing and "extended" not in section:
        raise section.error(
            "retain",
            "keeps nothing: every job copy would go at the next data aging",
            hint="give retain_cycles with it, or a longer time",
        )


def _read_every(section: Section) -> int:
    if "every" in section and section.text("select") != "every-n-cycles":
        raise section.error("every", 'goes with select = "every-n-cycles" only')
    return section.integer("every", 1, 1, MAX_CYCLES)


def _read_extended(section: Section) -> tuple[JsonTable, ...]:
    keys = ("keep", "retain")
    rules: list[JsonTable] = []
    for number, values in enumerate(section.tables("extended", keys)):
        row = section.row("extended", number, values, keys)
        keep = row.choice("keep", "", EXTENDED_RULES)
        row.required("retain")
        rules.append({"keep": keep, "retain_s": row.parsed("retain", parse_duration, 0)})
    return tuple(rules)


def _read_recipients(section: Section) -> tuple[str, ...]:
    recipients: list[str] = []
    for number, text in enumerate(section.texts("encrypt_to")):
        try:
            recipient = checked_recipient(text)
        except UsageError as err:
            path = (*section.path, "encrypt_to", number)
            raise section.site.error(path, err.message, hint=err.hint) from err
        if recipient not in recipients:  # the same key with another comment
            recipients.append(recipient)
    return tuple(recipients)


def _read_throttle(section: Section) -> tuple[int | None, tuple[JsonTable, ...]]:
    if not section.is_list("throttle"):
        return section.parsed("throttle", parse_rate, None), ()
    limits: list[JsonTable] = []
    for number, values in enumerate(read_periods(section, "throttle", ("limit",))):
        row = section.row("throttle", number, values, tuple(values))
        limits.append({**values, "limit_bps": row.parsed("limit", parse_rate, 0)})
    section.understood("throttle", partial(timetable_from, throttle_bps=None, rows=limits))
    return None, tuple(limits)


def check_sources(policy: str, sections: dict[str, Section], wanted: Configuration) -> None:
    """Refuses copies that read from each other in a circle."""
    sources = {copy.name: copy.source for copy in wanted.copies_of(policy)}
    for start in sources:
        path = [start]
        while sources[path[-1]]:
            path.append(sources[path[-1]])
            if path[-1] == start:
                raise sections[start].error(
                    "source",
                    f"copies read from each other in a circle: {' -> '.join(path)}",
                    hint="give one of them the primary as its source",
                )
            if path[-1] in path[:-1]:
                break
