"""Backups and their restores against `tar` with `zstd` at the same level: many small files, one large.

Each program makes what it writes durable. `python -m bench.backup --help` says what can be chosen.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.harness import (
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

_WORDS = b" ".join(b"%x" % (number * 2654435761 % 2**32) for number in range(200_000))


def half_text(path: Path, size_bytes: int, number: int) -> None:
    """A file that compresses to about half."""
    half = size_bytes // 2
    at = number * 7919 % (len(_WORDS) - min(half, len(_WORDS) // 2))
    with open(path, "wb") as file:
        left = half
        while left > 0:
            left -= file.write(_WORDS[at : at + left])
            at = 0
        file.write(os.urandom(size_bytes - half))


def make_workload(root: Path, name: str, files: int, file_bytes: int) -> Workload:
    """Files in directories of 200, durable."""
    source = root / name.replace(" ", "-")
    for number in range(files):
        directory = source / f"{number // 200}"
        if number % 200 == 0:
            directory.mkdir(parents=True)
        half_text(directory / f"file-{number}", file_bytes, number)
    os.sync()
    return Workload(name=name, size_bytes=files * file_bytes, files=files, source=source)


def engine(what: str, level: int, threads: int) -> Program:
    """The engine; a restore is of what was backed up before it is timed."""
    options = ["--level", str(level), "--threads", str(threads)]
    command = [sys.executable, "-m", "bench.engine_backup"]

    def run(source: Path, target: Path) -> Sample:
        place = [str(source), str(target)]
        if what == "restore":
            reported([*command, "backup", *place, *options])
        return reported([*command, what, *place, *options])

    return Program(name=f"auxtui {what} ({threads})", needs=sys.executable, run=run)


def tar(what: str, level: int) -> Program:
    """GNU tar through the program zstd, in the same format."""

    def run(source: Path, target: Path) -> Sample:
        archive = str(target / "archive.tar.zst")
        pack = ["tar", "-c", "--format=posix", "--xattrs", "-I", f"zstd -{level}", "-f", archive]
        pack += ["-C", str(source.parent), source.name]
        if what == "backup":
            return timed(pack, ["sync", "-f", archive])
        subprocess.run(pack, check=True)
        unpack = ["tar", "-x", "--xattrs", "-I", "zstd", "-f", archive, "-C", str(target)]
        return timed(unpack, ["sync", "-f", str(target)])

    return Program(name=f"tar, zstd: {what}", needs="tar", run=run)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="small and once, for a quick check")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--level", type=int, default=3, help="of zstd")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="that compress")
    parser.add_argument("--cache", nargs="+", choices=("cold", "warm"))
    parser.add_argument("--dir", help="where to work (default: the temporary directory)")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    given = parser.parse_args()
    shapes = [("100000 files of 4 KiB", 100_000, 4096), ("one 1 GiB file", 1, 1024 * MIB)]
    caches = given.cache or (["cold", "warm"] if can_drop_caches() else ["warm"])
    if given.short:
        shapes, caches, given.rounds = [("500 files of 4 KiB", 500, 4096)], ["as it is"], 1
    console = Console()
    scratch = Path(tempfile.mkdtemp(prefix="auxtui-bench-", dir=given.dir))
    rows: list[Row] = []
    try:
        for shape in shapes:
            workload = make_workload(scratch / "sources", *shape)
            for what in ("backup", "restore"):
                programs = [tar(what, given.level)]
                programs += [engine(what, given.level, threads) for threads in given.threads]
                programs = present(programs, console)
                for cache in caches:
                    rows += compare(
                        workload,
                        programs,
                        scratch,
                        rounds=given.rounds,
                        cache=cache,
                        keeps=workload.files > 1,
                    )
            shutil.rmtree(workload.source)
    finally:
        shutil.rmtree(scratch)
    show(rows, console)
    if given.json:
        save(rows, given.json)


if __name__ == "__main__":
    main()
