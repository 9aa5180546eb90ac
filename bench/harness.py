"""Runs programs against each other in interleaved rounds and compares medians.

A shared or noisy host moves all programs of a round alike, so ratios are of runs side by side;
absolute figures tell the order of magnitude only. A program that is not installed is named and
left out.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

GIB = 1024**3
MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of one program."""

    seconds: float
    """To the last sync: a copy that is only in the page cache has not ended."""
    cpu_s: float
    """User and system, children included."""
    rss_bytes: int
    """Peak of the resident memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Something that copies a directory durably."""

    name: str
    needs: str
    """Executable that must be on PATH."""
    run: Callable[[Path, Path], Sample]
    """Copies the first directory into the second, which is there and empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is copied."""

    name: str
    size_bytes: int
    files: int
    source: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Medians of one program on one workload."""

    workload: str
    cache: str
    program: str
    rounds: int
    seconds: float
    quickest_s: float
    slowest_s: float
    mib_per_s: float
    cpu_s_per_gib: float
    rss_mib: float
    speed_against_first: float
    """Median over the rounds of (seconds of the first program / seconds of this): 2 is twice as fast."""


def peak_memory_bytes(pid: int | str) -> int:
    """Peak resident memory of a process since its exec; 0 when it is gone.

    Not from `wait4`: what that says begins with the memory of the parent.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = (line.split() for line in status.splitlines())
    return next((int(line[1]) * 1024 for line in lines if line[0] == "VmHWM:"), 0)


class PeakMemory(threading.Thread):
    """Follows the peak memory of one process, without its children, until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._peak_bytes = 0
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopped.wait(0.02):
            self._peak_bytes = max(self._peak_bytes, peak_memory_bytes(self._pid))

    def stop(self) -> int:
        """Ends the watch and returns the peak in bytes."""
        self._stopped.set()
        self.join()
        return self._peak_bytes


def timed(*commands: Sequence[str]) -> Sample:
    """Runs commands one after the other as one sample.

    Raises:
        subprocess.CalledProcessError: one failed.
    """
    cpu_s, rss_bytes = 0.0, 0
    began_s = time.monotonic()
    for command in commands:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watch = PeakMemory(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        cpu_s += used.ru_utime + used.ru_stime
        rss_bytes = max(rss_bytes, watch.stop())
    return Sample(seconds=time.monotonic() - began_s, cpu_s=cpu_s, rss_bytes=rss_bytes)


def reported(command: Sequence[str]) -> Sample:
    """Runs a command that measures itself and prints a sample as JSON on its last line."""
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Sample(**json.loads(run.stdout.splitlines()[-1]))


def present(programs: Sequence[Program], console: Console) -> list[Program]:
    """The programs that can run here; the others are named."""
    found = [program for program in programs if shutil.which(program.needs)]
    for program in programs:
        if program not in found:
            console.print(f"left out: {program.name}, {program.needs} is not installed")
    return found


def can_drop_caches() -> bool:
    """True when this process may empty the page cache."""
    return os.access("/proc/sys/vm/drop_caches", os.W_OK)


def prepare(workload: Workload, cache: str) -> None:
    """Brings the source into the page cache, or everything out of it, with nothing left to write."""
    if cache == "as it is":
        return
    os.sync()
    if cache == "cold":
        Path("/proc/sys/vm/drop_caches").write_text("3")
        return
    for base, _, names in os.walk(workload.source):
        for name in names:
            with open(os.path.join(base, name), "rb", buffering=0) as file:
                while file.read(8 * MIB):
                    pass


def compare(
    workload: Workload,
    programs: Sequence[Program],
    scratch: Path,
    *,
    rounds: int,
    cache: str,
    title: str = "",
    keeps: bool = False,
) -> list[Row]:
    """Runs every program once a round, in a new order each round; the first one is the measure.

    Args:
        keeps: leaves what was copied below `scratch`. An ext4 without a journal passes over every
            inode that was freed in the last minutes, one by one, for each file that it makes: with
            trees of small files deleted between the rounds, their deletion would be measured.
    """
    samples: dict[str, list[Sample]] = {program.name: [] for program in programs}
    for _ in range(rounds):
        for program in random.sample(programs, len(programs)):
            target = Path(tempfile.mkdtemp(prefix="target-", dir=scratch))
            prepare(workload, cache)
            samples[program.name].append(program.run(workload.source, target))
            if not keeps:
                shutil.rmtree(target)
            print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    first = samples[programs[0].name]
    return [
        Row(
            workload=title or workload.name,
            cache=cache,
            program=name,
            rounds=rounds,
            seconds=(seconds := statistics.median(one.seconds for one in runs)),
            quickest_s=min(one.seconds for one in runs),
            slowest_s=max(one.seconds for one in runs),
            mib_per_s=workload.size_bytes / MIB / seconds,
            cpu_s_per_gib=statistics.median(one.cpu_s for one in runs)
            / (workload.size_bytes / GIB),
            rss_mib=max(one.rss_bytes for one in runs) / MIB,
            speed_against_first=statistics.median(
                ours.seconds / one.seconds for ours, one in zip(first, runs, strict=True)
            ),
        )
        for name, runs in samples.items()
    ]


def show(rows: Sequence[Row], console: Console) -> None:
    """Prints one table a workload and cache; the speed of its first program is 1."""
    for key in dict.fromkeys((row.workload, row.cache) for row in rows):
        table = Table(title=f"{key[0]}, cache {key[1]}", title_justify="left")
        for heading in (
            "program",
            "median s",
            "from - to",
            "MiB/s",
            "CPU s/GiB",
            "peak MiB",
            "speed",
        ):
            table.add_column(heading, justify="left" if heading == "program" else "right")
        for row in rows:
            if (row.workload, row.cache) == key:
                table.add_row(
                    row.program,
                    f"{row.seconds:.2f}",
                    f"{row.quickest_s:.2f} - {row.slowest_s:.2f}",
                    f"{row.mib_per_s:.0f}",
                    f"{row.cpu_s_per_gib:.2f}",
                    f"{row.rss_mib:.0f}",
                    f"{row.speed_against_first:.2f}",
                )
        console.print(table)


def save(rows: Sequence[Row], path: Path, host: Mapping[str, object] | None = None) -> None:
    """Writes the rows as JSON; with the conditions that they were measured in, as an object."""
    listed = [asdict(row) for row in rows]
    content = listed if host is None else {"host": host, "rows": listed}
    path.write_text(json.dumps(content, indent=2) + "\n")
