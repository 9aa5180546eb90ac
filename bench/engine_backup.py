"""One backup, and one restore of it, by the engine without service and catalog; prints samples as JSON."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import time
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import Sample, peak_memory_bytes
from engine.catalog.home import Home
from engine.catalog.values import SubclientValue
from engine.control.__main__ import COLLECT_AFTER, allow_open_files
from engine.library.interface import LibraryIdentity, Place
from engine.library.local import LocalLibrary
from engine.model.states import Level, LibraryState, SubclientKind
from engine.operations.backup_run import BackupRun, Task
from engine.operations.indexes import open_index
from engine.transfer.archive_frames import Archive, CopyOpener, FrameCache
from engine.transfer.archived import ArchivedJob
from engine.transfer.cancel import CancelToken
from engine.transfer.progress import ReadProgress
from engine.transfer.restoring import restore_job
from engine.transfer.throttle import Throttle

PLACE = Place("bench", "primary")


def subclient(content: str, level: int, threads: int) -> SubclientValue:
    """A subclient with one directory."""
    return SubclientValue(
        id=1,
        client_id=1,
        client="bench",
        name="bench",
        policy_id=1,
        kind=SubclientKind.CONTENT,
        landing="",
        pattern="*",
        settle_s=0,
        level=Level.FULL,
        content=(content,),
        exclude=(),
        one_file_system=True,
        volume_bytes=1024**3,
        compression_level=level,
        compression_threads=threads,
        shrunk_pct=50,
        believed_files=0,
        believed_bytes=0,
        landing_identity={},
        state=LibraryState.UNKNOWN,
        state_reason="",
        scanned_at=None,
    )


def back_up(home: Home, library: LocalLibrary, content: str, level: int, threads: int) -> None:
    """A full backup to its publication."""
    task = Task(
        home=home,
        job_id=1,
        commcell_id="bench",
        commcell="bench",
        subclient=subclient(content, level, threads),
        library=library,
        library_urls=(),
        place=PLACE,
        base=None,
        level=Level.FULL,
        cycle=1,
        clock=lambda: datetime.now(UTC),
    )
    run = BackupRun(task, CancelToken(), Throttle(), ReadProgress())
    try:
        result = run.pack()
        assert not result.problem_count, result.problems[:3]
        run.publish()
    finally:
        run.close()


async def restore(home: Home, library: LocalLibrary, target: Path) -> None:
    """A whole restore, durable."""
    index = open_index(home, 1)
    assert index is not None
    opener = CopyOpener("primary", lambda: library.read_job(PLACE, 1))
    archive = Archive(index, [opener], FrameCache(), lambda *_: None)
    header = library.read_job(PLACE, 1)
    reader = ArchivedJob(header.header, index, {1: archive})
    header.close()
    result = await restore_job(
        reader, target, cancel=CancelToken(), throttle=Throttle(), progress=ReadProgress()
    )
    reader.close()
    assert not result.failed, result.failed[:3]


def main() -> None:
    """Backs up, or restores what was backed up, and prints the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("backup", "restore"))
    parser.add_argument("source")
    parser.add_argument("place", help="gets the library and the index")
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    gc.freeze()  # as the service does, in which backups and restores run
    gc.set_threshold(COLLECT_AFTER)
    allow_open_files()
    place = Path(given.place)
    home = Home(place / "home").make()
    root = place / "library"
    root.mkdir(exist_ok=True)
    library = LocalLibrary("bench", os.fsencode(root), uuid="", commcell_id="bench")
    library.initialise(
        LibraryIdentity(uuid=str(uuid.uuid4()), name="bench", commcell_id="bench", commcell="bench")
    )
    began_s, cpu_s = time.monotonic(), time.process_time()
    if given.what == "backup":
        back_up(home, library, given.source, given.level, given.threads)
    else:
        asyncio.run(restore(home, library, place / "restored"))
    sample = Sample(
        seconds=time.monotonic() - began_s,
        cpu_s=time.process_time() - cpu_s,
        rss_bytes=peak_memory_bytes("self"),
    )
    print(json.dumps(asdict(sample)))


if __name__ == "__main__":
    main()
