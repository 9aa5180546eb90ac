"""How the engine stands against what is aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.cases import AUXTUI, MOST_MEMORY_MIB, Aim, Case
from bench.harness import Row

MEMORY = "memory"


class Judged(NamedTuple):
    """One aim of one case."""

    key: str
    """Names it among all, for what is known of it besides: `one-warm/cp/cpu`."""
    what: str
    """`speed of cp`, `CPU of cp`, `memory`."""
    measured: str
    aim: str
    is_met: bool
    sentence: str
    """All of it for a person."""


def key_of(case: Case, aim: Aim) -> str:
    """The key of an aim."""
    return f"{case.name}/{aim.against}{'/cpu' if aim.is_cpu else ''}"


def judge(case: Case, rows: Sequence[Row]) -> list[Judged]:
    """The aims of a case whose other program was measured, and that of the memory."""
    found = {row.program: row for row in rows}
    ours = found[AUXTUI]
    judged = [
        _judged(case, aim, ours, found[aim.against]) for aim in case.aims if aim.against in found
    ]
    is_met = ours.rss_mib <= MOST_MEMORY_MIB
    sentence = f"{ours.rss_mib:.0f} MiB of memory, aim at most {MOST_MEMORY_MIB}"
    measured, aim_text = f"{ours.rss_mib:.0f} MiB", f"at most {MOST_MEMORY_MIB} MiB"
    key = f"{case.name}/{MEMORY}"
    return [*judged, Judged(key, MEMORY, measured, aim_text, is_met, sentence + _missed(is_met))]


def _judged(case: Case, aim: Aim, ours: Row, other: Row) -> Judged:
    if aim.is_cpu:
        ratio, word = ours.cpu_s_per_gib / other.cpu_s_per_gib, "of the CPU time"
        is_met, sign, what = ratio <= aim.least, "at most", f"CPU of {aim.against}"
    else:
        ratio, word = other.seconds / ours.seconds, "times as fast"
        is_met, sign, what = ratio >= aim.least, "at least", f"speed of {aim.against}"
    sentence = f"{ratio:.2f} {word} as {aim.against}, aim {sign} {aim.least:g}{_missed(is_met)}"
    return Judged(
        key_of(case, aim), what, f"{ratio:.2f}", f"{sign} {aim.least:g}", is_met, sentence
    )


def _missed(is_met: bool) -> str:
    return "" if is_met else "  MISSED"
