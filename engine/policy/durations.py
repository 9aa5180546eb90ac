"""Durations, sizes and rates as people write them: `30d`, `1d12h`, `25TB`, `200MiB/s`.

One grammar for the site file, the command line and the console. `parse_*` undoes `format_*` with
`exact=True`, byte for byte and second for second.
"""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise

from engine.model.errors import UsageError
from engine.model.names import shown

SECONDS_IN = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
"""A year is 365 days; there is no unit for months, whose length differs."""
BYTES_IN = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "PB": 10**15,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "PiB": 2**50,
}
MAX_DURATION_S = 1_000 * SECONDS_IN["y"]
MAX_BYTES = 2**63 - 1  # what a catalog holds

_DURATION_HINT = "a duration is a whole number and a unit: 90s, 5m, 6h, 30d, 2w, 7y, or 1d12h"
_SIZE_HINT = f"a size is a number and a unit: 64KiB, 1.5GB, 25TB; units: {', '.join(BYTES_IN)}"
_RATE_HINT = "a rate is a size per second: 200MiB/s, 1.5GB/s"
_DURATION = re.compile(r"(?:\d{1,15}[ywdhms])+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)([ywdhms])", re.ASCII)
_SIZE = re.compile(r"(\d{1,19}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})", re.ASCII)
_BINARY = ("PiB", "TiB", "GiB", "MiB", "KiB")
_EXACT = ("PiB", "PB", "TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB", "B")
_TEN = 10


def parse_duration(text: str) -> int:
    """Seconds of a duration such as `5m`, `30d`, `1d12h`; units in falling order, each once.

    Raises:
        UsageError: not a duration, or longer than 1,000 years.
    """
    cleaned = text.strip()
    if not _DURATION.fullmatch(cleaned):
        raise UsageError(f"{_quoted(text)} is not a duration", hint=_DURATION_HINT)
    parts = _DURATION_PART.findall(cleaned)
    sizes = [SECONDS_IN[unit] for _, unit in parts]
    if any(larger <= smaller for larger, smaller in pairwise(sizes)):
        raise UsageError(
            f"{_quoted(text)} is not a duration: units fall, each comes once", hint=_DURATION_HINT
        )
    seconds = sum(int(number) * SECONDS_IN[unit] for number, unit in parts)
    if seconds > MAX_DURATION_S:
        raise UsageError(f"{_quoted(text)} is longer than 1000y", hint=_DURATION_HINT)
    return seconds


def format_duration(seconds: int) -> str:
    """A duration exactly: `30d`, `7y`, `1d12h`, `0s`.

    Args:
        seconds: 0 or more.
    """
    if seconds < 0:
        raise ValueError(f"a duration is not negative: {seconds}")
    if seconds == 0:
        return "0s"
    if seconds % SECONDS_IN["y"] == 0:
        return f"{seconds // SECONDS_IN['y']}y"
    parts = []
    for unit in "dhms":
        count, seconds = divmod(seconds, SECONDS_IN[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def format_about(seconds: float) -> str:
    """A duration to two units for people: `4 d 6 h`, `2 h 10 min`, `45 s`.

    Args:
        seconds: 0 or more; fractions are rounded up.
    """
    whole = max(0, -int(-seconds // 1))
    words = (("y", "y"), ("d", "d"), ("h", "h"), ("m", "min"), ("s", "s"))
    for (unit, word), (small, small_word) in pairwise(words):
        count, rest = divmod(whole, SECONDS_IN[unit])
        if count:
            small_count = rest // SECONDS_IN[small]
            return (
                f"{count} {word} {small_count} {small_word}" if small_count else f"{count} {word}"
            )
    return f"{whole} s"


def parse_size(text: str) -> int:
    """Bytes of a size such as `25TB`, `1.5 GiB`.

    Raises:
        UsageError: not a size, not a whole number of bytes, or more than a catalog holds.
    """
    return _bytes(text, text, what="a size", hint=_SIZE_HINT)


def parse_rate(text: str) -> int:
    """Bytes per second of a rate such as `200MiB/s`; `/s` may be left out.

    Raises:
        UsageError: not a rate, or zero.
    """
    cleaned = text.strip().removesuffix("/s").rstrip()
    rate_bps = _bytes(cleaned, text, what="a rate", hint=_RATE_HINT)
    if rate_bps == 0:
        raise UsageError(
            f"{_quoted(text)} would never copy anything",
            hint="to hold a job suspend it; for no limit leave the throttle out",
        )
    return rate_bps


def _bytes(cleaned: str, text: str, *, what: str, hint: str) -> int:
    match = _SIZE.fullmatch(cleaned.strip())
    if match is None or match[2] not in BYTES_IN:
        raise UsageError(f"{_quoted(text)} is not {what}", hint=hint)
    size = Decimal(match[1]) * BYTES_IN[match[2]]
    if size != int(size):
        raise UsageError(f"{_quoted(text)} is not a whole number of bytes", hint=hint)
    if size > MAX_BYTES:
        raise UsageError(f"{_quoted(text)} is more than a catalog holds (8 EiB)", hint=hint)
    return int(size)


def format_size(size_bytes: int, *, exact: bool = False) -> str:
    """A size for people (`1.2 GiB`), or exactly for a site file (`25TB`).

    Args:
        size_bytes: 0 or more.
        exact: the shortest text that gives the same number back.
    """
    if exact:
        # 1 B divides every size, so there is always a unit.
        unit = next(unit for unit in _EXACT if size_bytes % BYTES_IN[unit] == 0)
        return f"{size_bytes // BYTES_IN[unit]}{unit}" if size_bytes else "0B"
    for unit in _BINARY:
        value = size_bytes / BYTES_IN[unit]
        # Rounded first: 1023.96 KiB is 1.0 MiB, not 1024 KiB.
        if round(value, 1) >= 1 and size_bytes >= BYTES_IN["KiB"]:
            return f"{value:.1f} {unit}" if round(value, 1) < _TEN else f"{value:.0f} {unit}"
    return f"{size_bytes} B"


def format_rate(rate_bps: float, *, exact: bool = False) -> str:
    """A rate for people (`85 MiB/s`), or exactly for a site file (`200MiB/s`).

    Args:
        rate_bps: bytes per second, 0 or more; whole when exact.
        exact: the shortest text that gives the same number back.
    """
    return f"{format_size(int(rate_bps), exact=exact)}/s"


def _quoted(text: str) -> str:
    return repr(shown(text[:40]))
