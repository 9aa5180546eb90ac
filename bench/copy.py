"""The engine against cp, rsync, rclone, fio and b3sum: durable time, CPU and memory, interleaved.

python -m bench.copy --list                    the cases, and what is aimed at
python -m bench.copy one-cold small-warm       these cases; without names all of them
python -m bench.copy --size 2G --files 22000   with less data
python -m bench.copy --short                   tiny, and each once: only shows that it runs

What was measured is kept with --save DIR, a JSON file for each case; bench.report draws it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.aims import judge
from bench.cases import AUXTUI, CASES, FULL, SHORT, Case, Shape
from bench.harness import GIB, Row, can_drop_caches, compare, present, save, show
from bench.host import conditions

UNITS = {"M": 1024**2, "G": 1024**3}


def size_of(text: str) -> int:
    """Bytes of a size such as `512M` or `8G`."""
    return int(float(text[:-1]) * UNITS[text[-1].upper()])


def measure(case: Case, given: argparse.Namespace, scratch: Path, console: Console) -> list[Row]:
    """Runs one case."""
    cache = "as it is" if given.short else case.cache
    if cache == "cold" and not can_drop_caches():
        console.print(f"left out: {case.name}, emptying the page cache needs root")
        return []
    programs = present(case.programs(given.streams), console)
    if given.short and not given.all_programs:
        programs = [one for one in programs if one.name == AUXTUI or one is programs[0]]
    if given.without:
        programs = [one for one in programs if one.name not in given.without]
    place = scratch / case.name
    place.mkdir()
    workload = case.make(place / "sources", given.shape)
    kept = case.is_small * workload.size_bytes * given.rounds * len(programs)
    if shutil.disk_usage(place).free < 2 * kept:  # a block and an inode for each small file
        sys.exit(f"{place} has no room for what {case.name} copies: less --files or --rounds")
    rows = compare(
        workload,
        programs,
        place,
        rounds=given.rounds,
        cache=cache,
        title=case.name,
        keeps=case.is_small,
    )
    if not case.is_small:
        shutil.rmtree(place)
    return rows


def list_cases(console: Console) -> None:
    """Prints the names of all cases."""
    for case in CASES.values():
        against = ", ".join(
            f"{'CPU of ' if aim.is_cpu else ''}{aim.against} {aim.least:g}" for aim in case.aims
        )
        console.print(f"{case.name:<12} {case.title}, {case.cache} cache; aims: {against}")


def main() -> None:
    """Measures, prints and keeps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="case", help="default: all")
    parser.add_argument("--list", action="store_true", help="print the cases")
    parser.add_argument("--short", action="store_true", help="tiny and once, for a quick check")
    parser.add_argument("--all-programs", action="store_true", help="with --short: against all")
    parser.add_argument("--rounds", type=int, default=7, help="of each program (default 7)")
    parser.add_argument("--size", type=size_of, help="of all large files together (default 8G)")
    parser.add_argument("--files", type=int, help="small files (default 110000)")
    parser.add_argument("--streams", type=int, default=2, help="of the engine (default 2)")
    parser.add_argument("--without", nargs="+", help="programs to leave out")
    parser.add_argument("--dir", help="where to copy (default: the temporary directory)")
    parser.add_argument("--save", type=Path, help="directory for a JSON file of each case")
    given = parser.parse_args()
    unknown = sorted(set(given.cases) - CASES.keys())
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; --list prints them")
    console = Console()
    if given.list:
        list_cases(console)
        return
    shape = SHORT if given.short else FULL
    given.shape = Shape(given.size or shape.large_bytes, given.files or shape.small_files)
    given.rounds = 1 if given.short else given.rounds
    scratch = Path(tempfile.mkdtemp(prefix="auxtui-bench-", dir=given.dir))
    free, needed = shutil.disk_usage(scratch).free, 3 * given.shape.large_bytes
    try:
        if free < needed:
            sys.exit(f"{scratch} has {free / GIB:.0f} GiB free, this needs {needed / GIB:.0f}")
        for name in given.cases or CASES:
            rows = measure(CASES[name], given, scratch, console)
            if not rows:
                continue
            show(rows, console)
            if not given.short:
                for judged in judge(CASES[name], rows):
                    console.print(f"  {judged.sentence}")
            if given.save:
                given.save.mkdir(parents=True, exist_ok=True)
                save(rows, given.save / f"{name}.json", conditions(scratch, given.shape))
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
