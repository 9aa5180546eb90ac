"""What the comparisons copy: files that neither compress nor equal each other, in nested directories."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from bench.harness import MIB, Workload

PATTERN_BYTES = 16 * MIB
FILES_PER_DIRECTORY = 100
DIRECTORIES_PER_DIRECTORY = 20


class Files(NamedTuple):
    """So many files of one size."""

    count: int
    each_bytes: int


def write_file(path: Path, size_bytes: int, number: int, pattern: bytes) -> None:
    """A file that neither compresses nor equals another."""
    with open(path, "wb") as file:
        left = size_bytes
        while left > 0:
            mark = number.to_bytes(8, "little") + left.to_bytes(8, "little")
            left -= file.write((mark + pattern[: left - len(mark)])[:left])


def make_files(root: Path, name: str, kinds: list[Files]) -> Workload:
    """Files in nested directories of at most 100 files each, durable."""
    source = root / name.replace(" ", "-")
    pattern = os.urandom(min(PATTERN_BYTES, max(kind.each_bytes for kind in kinds)))
    number = 0
    for kind in kinds:
        for at in range(kind.count):
            at_directory = at // FILES_PER_DIRECTORY
            below = f"{kind.each_bytes}/{at_directory // DIRECTORIES_PER_DIRECTORY}/{at_directory}"
            if at % FILES_PER_DIRECTORY == 0:
                (source / below).mkdir(parents=True)
            write_file(source / below / f"file-{number}", kind.each_bytes, number, pattern)
            number += 1
    os.sync()
    return Workload(
        name=name,
        size_bytes=sum(kind.count * kind.each_bytes for kind in kinds),
        files=number,
        source=source,
    )


def make_workload(root: Path, name: str, files: int, file_bytes: int) -> Workload:
    """Files of one size."""
    return make_files(root, name, [Files(files, file_bytes)])
