"""Turns what `bench.copy --save` kept into a page and a picture.

python -m bench.report DIR PAGE.md PICTURE.svg

What holds an aim that is missed is written by hand, in DIR: `held.json`, a sentence for the key of an
aim, and `limits.md`, how the limits were found.
"""

from __future__ import annotations

import argparse
import html
import json
from pathlib import Path
from typing import Any

from bench.aims import judge, key_of
from bench.cases import AUXTUI, CASES
from bench.harness import GIB, Row

BAR, GAP, LEFT, WIDTH = 16, 26, 150, 820
SCALE = 300.0  # of a speed of 1, in pixels
HELD, LIMITS = "held.json", "limits.md"
MOST = 1.7  # a longer bar is cut, its figure is not
INK, OURS, OTHERS = "#333333", "#1f6fb2", "#b9c4cf"
"""Blue and grey: told apart without colour vision, and on paper."""

Measured = dict[str, Any]


def measured(directory: Path) -> dict[str, Measured]:
    """The cases of a directory, in their order."""
    found = {name: directory / f"{name}.json" for name in CASES}
    return {name: json.loads(path.read_text()) for name, path in found.items() if path.exists()}


def rows_of(one: Measured) -> list[Row]:
    """The rows of a case."""
    return [Row(**row) for row in one["rows"]]


def amount(name: str, one: Measured) -> str:
    """What was copied, in words."""
    host = one["host"]
    if name.startswith("small"):
        return f"{host['small_files']:,} files, ten of eleven of 4 KiB, the others of 64 KiB"
    return f"{host['large_bytes'] / GIB:g} GiB"


def table(name: str, one: Measured) -> list[str]:
    """A case as Markdown."""
    case, host, rows = CASES[name], one["host"], rows_of(one)
    lines = [
        f"## {case.title}, {case.cache} cache",
        "",
        f"`{name}`: {amount(name, one)}; {rows[0].rounds} rounds, {host['date']}, {host['cpu']},"
        f" {host['cores']} cores, {host['memory_gib']} GiB, {host['file_system']}, Linux"
        f" {host['kernel']}, load before {host['load_before']}.",
        "",
        "| program | median s | from - to | MiB/s | CPU s/GiB | peak MiB | speed |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.program} | {row.seconds:.2f} | {row.quickest_s:.2f} - {row.slowest_s:.2f}"
        f" | {row.mib_per_s:.0f} | {row.cpu_s_per_gib:.2f} | {row.rss_mib:.0f}"
        f" | {rows[0].seconds / row.seconds:.2f} |"
        for row in rows
    ]
    return [*lines, "", *(f"- {judged.sentence}" for judged in judge(case, rows)), ""]


def aims(found: dict[str, Measured], held: dict[str, str]) -> list[str]:
    """Every aim as a line: what was measured, and what holds it where it is missed.

    Args:
        found: what was measured.
        held: key of an aim -> what holds it.
    """
    lines = ["| work | against | measured | aim | |", "|---|---|---:|---:|---|"]
    for name, case in CASES.items():
        work = f"{case.title}, {case.cache}"
        judged = judge(case, rows_of(found[name])) if name in found else []
        for one in judged:
            note = "met" if one.is_met else f"**missed**: {held.get(one.key, 'see below')}"
            lines.append(f"| {work} | {one.what} | {one.measured} | {one.aim} | {note} |")
        seen = {one.key for one in judged}
        for aim in case.aims:
            if key_of(case, aim) not in seen:
                what = f"{'CPU' if aim.is_cpu else 'speed'} of {aim.against}"
                sign = "at most" if aim.is_cpu else "at least"
                lines.append(f"| {work} | {what} | not measured | {sign} {aim.least:g} | |")
    return [*lines, ""]


def page(found: dict[str, Measured], picture: str, held: dict[str, str], limits: str) -> str:
    """The whole page; arguments as of `aims`, and what is known of the limits in Markdown."""
    lines = [
        "# Measured against other programs",
        "",
        "Made by `make bench-report` from what `make bench` kept. Every program runs once a round, in a new order each",
        "round, on the same data; time is to the last sync, so a copy that is only in the page cache has not ended. Speed",
        "is the ratio of the medians, the first program is 1. A missed aim is marked. The engine hashes, journals and",
        "publishes in all of it; `cp` and `rsync` do not hash what they wrote.",
        "",
        f"![Speed of each program]({picture})",
        "",
        "## Aims",
        "",
        *aims(found, held),
        limits,
    ]
    for name, one in found.items():
        lines += table(name, one)
    return "\n".join(lines)


def drawing(found: dict[str, Measured]) -> str:
    """Bars of speed, a group for each case."""
    parts: list[str] = []
    y = 30
    for name, one in found.items():
        rows = rows_of(one)
        case = CASES[name]
        parts.append(_text(8, y, f"{case.title}, {case.cache} cache", is_bold=True))
        y += 10
        for row in rows:
            speed = rows[0].seconds / row.seconds
            width = min(speed, MOST) * SCALE
            colour = OURS if row.program == AUXTUI else OTHERS
            parts.append(_text(LEFT - 8, y + BAR - 4, row.program, anchor="end"))
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR - 3}" fill="{colour}"/>'
            )
            note = f"{speed:.2f}, {row.cpu_s_per_gib:.2f} CPU s/GiB"
            parts.append(_text(LEFT + width + 6, y + BAR - 4, note))
            y += BAR
        y += GAP
    mark = LEFT + SCALE
    line = f'<line x1="{mark}" y1="14" x2="{mark}" y2="{y - GAP}" stroke="{INK}" stroke-dasharray="3 3"/>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}"'
        f' font-family="sans-serif" font-size="12" fill="{INK}">'
        "<title>Speed of each program, the first of a group is 1</title>"
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>'
    )
    return "\n".join([head, *parts, line, "</svg>", ""])


def _text(x: float, y: int, what: str, *, anchor: str = "start", is_bold: bool = False) -> str:
    weight = ' font-weight="bold"' if is_bold else ""
    return f'<text x="{x:.0f}" y="{y}" text-anchor="{anchor}"{weight}>{html.escape(what)}</text>'


def main() -> None:
    """Writes page and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    found = measured(given.directory)
    if not found:
        parser.error(f"nothing was measured in {given.directory}: `make bench` does")
    given.picture.write_text(drawing(found))
    held, limits = given.directory / HELD, given.directory / LIMITS
    given.page.write_text(
        page(
            found,
            str(given.picture.resolve().relative_to(given.page.resolve().parent)),
            json.loads(held.read_text()) if held.exists() else {},
            limits.read_text() if limits.exists() else "",
        )
    )


if __name__ == "__main__":
    main()
