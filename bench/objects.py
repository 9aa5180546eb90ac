"""An object-store library against `rclone copy`, interleaved, to one endpoint.

`python -m bench.objects URL`: the URL of a library, as in a site file; the keys come from the
environment (`AWS_ACCESS_KEY_ID` …), which rclone reads too. Says seconds, CPU seconds and peak
memory of each program; the server's own work is left out.
"""

from __future__ import annotations

import argparse
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from engine.library.interface import Done, LibraryIdentity, Place
from engine.library.objects.address import parse_address
from engine.library.objects.library import ObjectLibrary
from engine.model.entries import Chunk, Entry, FileEntry, ManifestHeader, Metadata, chunk_bytes_for
from engine.model.names import rel_path

MIB = 1 << 20
STREAMS = 4
PIECE_BYTES = 8 * MIB
BATCH_FILES = 128
_META = Metadata(mode=0o600, mtime_ns=0, uid=0, gid=0)


class Figures(NamedTuple):
    """One run of one program."""

    seconds: float
    cpu_s: float
    rss_mib: float


def main() -> None:
    """Runs the rounds and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--large-mib", type=int, default=1024)
    parser.add_argument("--small-files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copy", help=argparse.SUPPRESS)  # the run of one round, in a process
    chosen = parser.parse_args()
    if chosen.copy:
        copy_once(chosen.url, Path(chosen.copy))
        return
    with tempfile.TemporaryDirectory(dir=_quick()) as name:
        for load, count, size in (
            ("large", 1, chosen.large_mib * MIB),
            ("small", chosen.small_files, 64 * 1024),
        ):
            source = Path(name, load)
            source.mkdir()
            for number in range(count):
                fill(source / f"{number:06}", size)
            for _ in range(chosen.rounds):
                for program, command in programs(chosen.url, source).items():
                    figures = measured(command)
                    if figures is None:
                        _say(f"{load:6} {program:8} failed")
                        continue
                    _say(
                        f"{load:6} {program:8} {count * size / figures.seconds / 1e6:8.1f} MB/s"
                        f" {figures.cpu_s:6.2f} CPU s {figures.rss_mib:6.0f} MiB"
                    )


def programs(url: str, source: Path) -> dict[str, list[str]]:
    """The commands that copy a directory into the bucket."""
    address = parse_address("bench", url)
    commands = {"auxtui": [sys.executable, "-m", "bench.objects", url, "--copy", str(source)]}
    if shutil.which("rclone"):
        flags = "--s3-env-auth --s3-no-check-bucket --s3-disable-checksum --no-check-dest"
        remote = f":s3:{address.bucket}/{address.prefix}/rclone-{secrets.token_hex(4)}"
        commands["rclone"] = [
            *("rclone", "copy", str(source), remote, *flags.split(), "--transfers", "32"),
            *("--s3-endpoint", address.endpoint, "--s3-provider", "Other"),
            *("--s3-upload-concurrency", str(STREAMS), "--s3-chunk-size", "8M"),
        ]
    return commands


def measured(command: list[str]) -> Figures | None:
    """Runs a program to its end; None when it failed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status:
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(seconds, cpu_s, usage.ru_maxrss / 1024)


def copy_once(url: str, source: Path) -> None:
    """Copies the files of a directory as one backup job, with the calls of a run."""
    with tempfile.TemporaryDirectory() as home:
        library = ObjectLibrary.of_url("bench", url, home=Path(home), uuid="", commcell_id="bench")
        library.initialise(
            LibraryIdentity(uuid="bench", name="bench", commcell_id="bench", commcell="bench")
        )
        header = header_of(secrets.randbelow(1 << 40) + 1)
        writer = library.write_job(Place("bench", "bench"), header, source_key="bench")
        every = [entry_of(path) for path in sorted(source.iterdir())]
        with ThreadPoolExecutor(STREAMS) as streams:
            large = [entry for entry in every if entry.size >= MIB]
            works = [(entry, chunk) for entry in large for chunk in entry.chunks]

            def copy_chunk(work: tuple[FileEntry, Chunk]) -> None:
                entry, chunk = work
                handle, end = writer.open_file(entry), chunk.offset + chunk.length
                with (source / os.fsdecode(entry.path)).open("rb", buffering=0) as file:
                    for at in range(chunk.offset, end, PIECE_BYTES):
                        data = os.pread(file.fileno(), min(PIECE_BYTES, end - at), at)
                        handle.write(memoryview(data), at)
                handle.sync()
                writer.record([Done(entry.path, chunk)])

            def copy_batch(batch: list[FileEntry]) -> None:
                contents = [(source / os.fsdecode(entry.path)).read_bytes() for entry in batch]
                views = [memoryview(content) for content in contents]
                writer.write_batch(list(zip(batch, views, strict=True)))
                writer.record(Done(entry.path, entry.chunks[0]) for entry in batch)

            small = [entry for entry in every if entry.size < MIB]
            batches = [small[at : at + BATCH_FILES] for at in range(0, len(small), BATCH_FILES)]
            list(streams.map(copy_chunk, works))
            list(streams.map(copy_batch, batches))
        entries: list[Entry] = list(every)
        writer.publish(header, entries)


def entry_of(path: Path) -> FileEntry:
    """A file with the digests of its chunks."""
    size = path.stat().st_size
    step = chunk_bytes_for(size)
    chunks = []
    with path.open("rb") as file:
        for at in range(0, size, step):
            data = file.read(step)
            chunks.append(Chunk(at, len(data), blake3(data).digest()))
    name = rel_path(os.fsencode(path.name))
    return FileEntry(path=name, size=size, meta=_META, chunks=tuple(chunks))


def header_of(job_id: int) -> ManifestHeader:
    """A header that says nothing."""
    when = "2026-01-01T00:00:00+00:00"
    texts = dict.fromkeys(("commcell_id", "commcell", "policy", "client", "subclient"), "bench")
    return ManifestHeader(
        backup_job_id=job_id,
        level="full",
        kind="landing",
        started_at=when,
        completed_at=when,
        adopted_at=when,
        **texts,
    )


def fill(path: Path, size: int) -> None:
    """A file without structure."""
    block = os.urandom(min(size, MIB))
    with path.open("wb") as file:
        for _ in range(max(1, size // MIB)):
            file.write(block)


def _quick() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - Linux's own


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
