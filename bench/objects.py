"""An object-store library against `rclone copy`, interleaved, to one endpoint.

python -m bench.objects              a server of its own, which verifies what it is told to (bench.store)
python -m bench.objects URL          the URL of a library, as in a site file; the keys come from the
                                     environment (AWS_ACCESS_KEY_ID and so on), which rclone reads too

One large file and many small ones in one backup job, about 5 minutes. The server's own work is left out.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from blake3 import blake3
from rich.console import Console

from bench.engine_copy import measured
from bench.harness import (
    MIB,
    Program,
    Row,
    Sample,
    Workload,
    compare,
    present,
    reported,
    show,
    timed,
)
from engine.library.interface import Done, LibraryIdentity, Place
from engine.library.objects.address import parse_address
from engine.library.objects.library import ObjectLibrary
from engine.model.entries import Chunk, Entry, FileEntry, ManifestHeader, Metadata, chunk_bytes_for
from engine.model.names import rel_path

STREAMS = 4
PIECE_BYTES = 8 * MIB
BATCH_FILES = 128
_META = Metadata(mode=0o600, mtime_ns=0, uid=0, gid=0)


def main() -> None:
    """Runs the rounds and prints a table for each load."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?")
    parser.add_argument("--large-mib", type=int, default=1024)
    parser.add_argument("--small-files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copy", help=argparse.SUPPRESS)  # the run of one round, in a process
    chosen = parser.parse_args()
    if chosen.copy:
        measured(lambda: copy_once(chosen.url, Path(chosen.copy)))
        return
    with ExitStack() as held:
        url = chosen.url or held.enter_context(own_server())
        show(measure(chosen, url, held.enter_context(scratch())), Console())


def measure(chosen: argparse.Namespace, url: str, scratch: Path) -> list[Row]:
    """Makes each load in turn and compares on it."""
    rows: list[Row] = []
    for name, count, size in (
        (f"one file of {chosen.large_mib} MiB", 1, chosen.large_mib * MIB),
        (f"{chosen.small_files} files of 64 KiB", chosen.small_files, 64 * 1024),
    ):
        source = scratch / "source"
        source.mkdir()
        for number in range(count):
            fill(source / f"{number:06}", size)
        load = Workload(name=name, size_bytes=count * size, files=count, source=source)
        programs = present(programs_to(url), Console())
        rows += compare(load, programs, scratch, rounds=chosen.rounds, cache="as it is")
        shutil.rmtree(source)
    return rows


def programs_to(url: str) -> list[Program]:
    """What copies a directory into the bucket; the engine is the measure."""
    address = parse_address("bench", url)

    def engine(source: Path, _: Path) -> Sample:
        command = [sys.executable, "-m", "bench.objects", url, "--copy", str(source)]
        return reported(command)

    def rclone(source: Path, _: Path) -> Sample:
        flags = "--s3-env-auth --s3-no-check-bucket --s3-disable-checksum --no-check-dest"
        remote = f":s3:{address.bucket}/{address.prefix}/rclone-{secrets.token_hex(4)}"
        return timed(
            [
                *("rclone", "copy", str(source), remote, *flags.split(), "--transfers", "32"),
                *("--s3-endpoint", address.endpoint, "--s3-provider", "Other"),
                *("--s3-upload-concurrency", str(STREAMS), "--s3-chunk-size", "8M"),
            ]
        )

    return [
        Program(name="auxtui", needs=sys.executable, run=engine),
        Program(name="rclone", needs="rclone", run=rclone),
    ]


@contextmanager
def own_server() -> Iterator[str]:
    """A server on loopback (`bench.store`), its keys in the environment; gives the URL."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    os.environ.pop("AWS_CA_BUNDLE", None)  # with one, rclone refuses to begin; nothing is encrypted
    command = [sys.executable, "-m", "bench.store"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            yield f"s3://bench/copies?endpoint=http://127.0.0.1:{port}"
        finally:
            server.kill()


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory in memory where there is one: the disk is not what is compared."""
    with tempfile.TemporaryDirectory(dir=_quick()) as name:
        yield Path(name)


def copy_once(url: str, source: Path) -> None:
    """Copies the files of a directory as one backup job, with the calls of a run."""
    with tempfile.TemporaryDirectory() as home:
        library = ObjectLibrary.of_url("bench", url, home=Path(home), uuid="", commcell_id="bench")
        library.initialise(
            LibraryIdentity(uuid="bench", name="bench", commcell_id="bench", commcell="bench")
        )
        header = header_of(secrets.randbelow(1 << 40) + 1)
        writer = library.write_job(Place("bench", "bench"), header, source_key="bench")
        paths = {path: path.stat().st_size for path in sorted(source.iterdir())}
        large = [entry_of(path) for path, size in paths.items() if size >= MIB]
        with ThreadPoolExecutor(STREAMS) as streams:
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

            def copy_batch(batch: list[Path]) -> list[FileEntry]:
                contents = [path.read_bytes() for path in batch]
                entries = [
                    whole_entry(path, content)
                    for path, content in zip(batch, contents, strict=True)
                ]
                views = [memoryview(content) for content in contents]
                writer.write_batch(list(zip(entries, views, strict=True)))
                writer.record(Done(entry.path, entry.chunks[0]) for entry in entries)
                return entries

            small = [path for path, size in paths.items() if size < MIB]
            batches = [small[at : at + BATCH_FILES] for at in range(0, len(small), BATCH_FILES)]
            list(streams.map(copy_chunk, works))
            done = list(streams.map(copy_batch, batches))
        entries: list[Entry] = [*large, *(entry for batch in done for entry in batch)]
        writer.publish(header, entries)


def whole_entry(path: Path, content: bytes) -> FileEntry:
    """A small file that was read, with its digest: as a run does, it is read once."""
    chunk = Chunk(0, len(content), blake3(content).digest())
    name = rel_path(os.fsencode(path.name))
    return FileEntry(path=name, size=len(content), meta=_META, chunks=(chunk,))


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
    texts: dict[str, Any] = dict.fromkeys(
        ("commcell_id", "commcell", "policy", "client", "subclient"), "bench"
    )
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


if __name__ == "__main__":
    main()
