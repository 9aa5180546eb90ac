"""The engine against cp, rsync and rclone: durable time, CPU and memory, in interleaved rounds.

python -m bench.copy                 one 4 GiB file, 64 files of 64 MiB, 20,000 files of 4 KiB
python -m bench.copy --short         the same in small: only shows that it runs
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.harness import (
    GIB,
    MIB,
    Program,
    Row,
    Sample,
    Workload,
    can_drop_caches,
    compare,
    present,
    reported,
    save,
    show,
    timed,
)

PATTERN_BYTES = 16 * MIB


def engine(streams: int) -> Program:
    """The engine with this many streams."""

    def run(source: Path, target: Path) -> Sample:
        module = ["-m", "bench.engine_copy"]
        return reported(
            [sys.executable, *module, str(source), str(target), "--streams", str(streams)]
        )

    return Program(name=f"auxtui ({streams})", needs=sys.executable, run=run)


def rivals() -> list[Program]:
    """Programs that many use for this, each with what makes it durable."""
    return [
        Program(
            name="cp + sync",
            needs="cp",
            run=lambda s, t: timed(["cp", "-a", str(s), str(t)], ["sync", "-f", str(t)]),
        ),
        Program(
            name="rsync --fsync",
            needs="rsync",
            run=lambda s, t: timed(["rsync", "-a", "--whole-file", "--fsync", str(s), str(t)]),
        ),
        Program(
            name="rclone + sync",
            needs="rclone",
            run=lambda s, t: timed(
                ["rclone", "copy", "--quiet", str(s), str(t)], ["sync", "-f", str(t)]
            ),
        ),
    ]


def write_file(path: Path, size_bytes: int, number: int, pattern: bytes) -> None:
    """A file that neither compresses nor equals another."""
    with open(path, "wb") as file:
        left = size_bytes
        while left > 0:
            mark = number.to_bytes(8, "little") + left.to_bytes(8, "little")
            left -= file.write((mark + pattern[: left - len(mark)])[:left])


def make_workload(root: Path, name: str, files: int, file_bytes: int) -> Workload:
    """Files in nested directories of at most 100 files each, durable."""
    source = root / name.replace(" ", "-")
    pattern = os.urandom(PATTERN_BYTES)
    for number in range(files):
        directory = source / f"{number // 2000}" / f"{number // 100}"
        if number % 100 == 0:
            directory.mkdir(parents=True)
        write_file(directory / f"file-{number}", file_bytes, number, pattern)
    os.sync()
    return Workload(name=name, size_bytes=files * file_bytes, files=files, source=source)


def measure(given: argparse.Namespace, console: Console) -> list[Row]:
    """Makes each workload in turn and compares on it."""
    shapes = [
        ("one 4 GiB file", 1, 4 * GIB),
        ("64 files of 64 MiB", 64, 64 * MIB),
        ("20000 files of 4 KiB", 20_000, 4096),
    ]
    if given.short:
        shapes = [
            ("one 8 MiB file", 1, 8 * MIB),
            ("4 files of 2 MiB", 4, 2 * MIB),
            ("200 files of 4 KiB", 200, 4096),
        ]
    caches = ["cold", "warm"] if can_drop_caches() else ["warm"]
    if given.short:
        caches = ["as it is"]
    elif "cold" not in caches:
        console.print("left out: cache cold, emptying the page cache needs root")
    programs = present([*(engine(n) for n in given.streams), *rivals()], console)
    rows: list[Row] = []
    scratch = Path(tempfile.mkdtemp(prefix="auxtui-bench-", dir=given.dir))
    try:
        for number, shape in enumerate(shapes, 1):
            if given.only and number not in given.only:
                continue
            workload = make_workload(scratch / "sources", *shape)
            for cache in given.cache or caches:
                rows += compare(workload, programs, scratch, rounds=given.rounds, cache=cache)
            shutil.rmtree(workload.source)
    finally:
        shutil.rmtree(scratch)
    show(rows, console)
    return rows


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="small and once, for a quick check")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program (default 5)")
    parser.add_argument("--streams", type=int, nargs="+", default=[4], help="of the engine")
    parser.add_argument("--only", type=int, nargs="+", choices=(1, 2, 3), help="workloads")
    parser.add_argument("--cache", nargs="+", choices=("cold", "warm"))
    parser.add_argument("--dir", help="where to copy, 9 GB free (default: the temporary directory)")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    given = parser.parse_args()
    if given.short:
        given.rounds = 1
    console = Console()
    rows = measure(given, console)
    if given.json:
        save(rows, given.json)


if __name__ == "__main__":
    main()
