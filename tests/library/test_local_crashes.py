"""A local library that is stopped at any system call: what was shown stays, nothing half is shown."""

import errno
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from engine.library import local_partial
from engine.library.local import LocalLibrary
from engine.model.errors import DestinationExists, StorageError
from tests.library.broken_calls import failing, in_child, watched
from tests.library.power import Disk, needs_disk, needs_xfs
from tests.library.samples import (
    COMMCELL,
    IDENTITY,
    PLACE,
    Job,
    as_written,
    check_copy,
    copy_job,
    followed_job,
    header,
    sample_job,
    write_chunks,
)

_LONG = pytest.mark.timeout(1800)
_NEVER = 10**9  # calls; no work has so many


def opened(root: Path) -> LocalLibrary:
    return LocalLibrary("vault", bytes(root), uuid="", commcell_id=COMMCELL)


@pytest.fixture
def root(fast_path: Path) -> Path:
    root = fast_path / "library"
    root.mkdir()
    opened(root).initialise(IDENTITY)
    return root


def finished(library: LocalLibrary, job: Job) -> None:
    """What the service does after a restart."""
    try:
        copy_job(library, job)
    except DestinationExists:
        return


def litter(root: Path) -> list[Path]:
    """Everything below the directories of a copy that is not a published job copy."""
    copy = root / PLACE.policy / PLACE.copy
    found = [path for path in copy.iterdir() if not path.name.isdigit()]
    inside = [path for hidden in found for path in hidden.iterdir()]
    odd = {path.name for path in copy.glob("[0-9]*/*")} - {"data", "manifest.jsonl.zst"}
    return inside + [Path(name) for name in sorted(odd)]


def calls_of(root: Path, work: Callable[[LocalLibrary], None]) -> list[str]:
    with watched(lambda *_: None) as calls:
        work(opened(root))
    return calls.log


def big_batch_job() -> Job:
    """Enough entries that one sync of the file system replaces many."""
    job = sample_job()
    for number in range(27):
        job.file(b"tree/sub/x%02d" % number, b"%d" % number)
    return job


def write_in_batches(library: LocalLibrary, job: Job) -> None:
    """Writes small files as the transfer does: together, and only what is missing."""
    writer = library.write_job(PLACE, header(), source_key="source")
    try:
        missing = [d for d in job.dones if d.chunk not in writer.resumed.get(d.path, ())]
        small = {file.path: file for file in job.files if len(file.chunks) == 1}
        write_chunks(writer, job, [done for done in missing if done.path not in small])
        batch = [done for done in missing if done.path in small]
        writer.write_batch([(small[d.path], job.chunk_bytes(d)) for d in batch])
        writer.record(batch)
        writer.publish(header(), job.entries)
    finally:
        writer.close()


def write_behind(library: LocalLibrary, job: Job) -> None:
    """Publishes while it writes, as the transfer does with thousands of files."""
    writer = library.write_job(PLACE, header(), source_key="source")
    try:
        writer.publish_behind(header(), as_written(writer, job))
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("work", "make", "step"),
    [
        pytest.param(copy_job, sample_job, 1, id="chunks"),
        pytest.param(write_in_batches, big_batch_job, 5, id="batches"),
        pytest.param(write_behind, followed_job, 8, id="behind"),
        pytest.param(write_in_batches, big_batch_job, 1, id="all", marks=[pytest.mark.soak, _LONG]),
        pytest.param(write_behind, followed_job, 1, id="all", marks=[pytest.mark.soak, _LONG]),
    ],
)
def test_killed_at_any_call(
    root: Path,
    work: Callable[[LocalLibrary, Job], object],
    make: Callable[[], Job],
    step: int,
):
    job = make()
    number, is_done = 0, False
    while not is_done:
        number += step
        is_done = in_child(lambda: work(opened(root), job), die_at=number, dying=lambda: None)
        if opened(root).published(PLACE):
            check_copy(opened(root), job)
        finished(opened(root), job)
        check_copy(opened(root), job)
        assert litter(root) == []
        opened(root).remove_job(PLACE, 7)
    assert number > 100


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("for_ever", [False, True])
def test_any_call_may_fail(root: Path, code: int, for_ever: bool):
    job = sample_job()
    total = len(calls_of(root, lambda library: copy_job(library, job)))
    opened(root).remove_job(PLACE, 7)
    errors = []
    for number in range(1, total + 1):
        with watched(failing(number, code, for_ever=for_ever)):
            try:
                copy_job(opened(root), job)
            except StorageError as err:
                errors.append(err)
        finished(opened(root), job)
        check_copy(opened(root), job)
        assert litter(root) == []
        opened(root).remove_job(PLACE, 7)
    assert len(errors) > total * 0.8
    assert all(error.message for error in errors)


def test_what_was_journaled_is_not_written_again(root: Path):
    job = sample_job()
    writer = opened(root).write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:4])
    writer.close()

    calls = calls_of(root, lambda library: copy_job(library, job))

    missing = len(job.dones) - 4
    journal_lines = missing + 1  # a line break closes off what may be torn
    assert calls.count("pwrite") == missing + journal_lines
    check_copy(opened(root), job)


def test_removal_killed_at_any_call(root: Path):
    job = sample_job()
    number, is_done = 0, False
    while not is_done:
        number += 1
        finished(opened(root), job)
        is_done = in_child(
            lambda: opened(root).remove_job(PLACE, 7), die_at=number, dying=lambda: None
        )
        library = opened(root)
        if library.published(PLACE):
            check_copy(library, job)
        else:
            library.write_job(PLACE, header(8), source_key="other").discard()
            assert litter(root) == []
    assert number > 10


def new_job() -> Job:
    """What is to take the place of the sample job."""
    job = Job()
    job.file(b"tree", b"new content")
    job.file(b"more", b"x" * 100_000, chunk=65_536)
    return job


def replaced(library: LocalLibrary, new: Job) -> None:
    """What the service does until the ledger knows of the new one."""
    try:
        copy_job(library, new, source_key="new", replace=True)
    except DestinationExists:
        return


def check_one_of(library: LocalLibrary, *jobs: Job) -> None:
    """Asserts that what is published is one of these backup jobs, whole."""
    found = library.read_job(PLACE, 7)
    paths = {entry.path for entry in found.entries()}
    found.close()
    (job,) = (job for job in jobs if {entry.path for entry in job.entries} == paths)
    check_copy(library, job)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_replacement_killed_at_any_call(
    root: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
):
    """At every moment one of the two is whole on the media, and published where that is possible."""
    if not can_exchange:
        monkeypatch.setattr(local_partial, "exchange", lambda *_, **__: False)
    old, new = sample_job(), new_job()
    copy_job(opened(root), old)
    number, is_done = 0, False
    while not is_done:
        number += 1
        is_done = in_child(partial(replaced, opened(root), new), die_at=number, dying=lambda: None)
        if can_exchange or opened(root).published(PLACE):
            check_one_of(opened(root), old, new)
        replaced(opened(root), new)
        check_copy(opened(root), new)
        assert litter(root) == []
        old, new = new, old
    assert number > 60


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_any_call_of_a_replacement_may_fail(root: Path, code: int):
    old, new = sample_job(), new_job()
    copy_job(opened(root), old)
    replaced(opened(root), new)
    total = len(calls_of(root, lambda library: replaced(library, old)))
    for number in range(1, total + 1):
        with watched(failing(number, code)), suppress(StorageError):
            replaced(opened(root), new)
        check_one_of(opened(root), old, new)
        replaced(opened(root), new)
        check_copy(opened(root), new)
        assert litter(root) == []
        old, new = new, old


@needs_disk
def test_power_cut_at_any_call_of_a_replacement(disk: Disk):
    disk.mount()
    opened(disk.root).initialise(IDENTITY)
    old, new = sample_job(), new_job()
    copy_job(opened(disk.root), old)
    for _ in range(2):
        total = len(calls_of(disk.root, partial(replaced, new=new)))
        old, new = new, old
    for number in sorted({*range(7, total, max(1, total // 12)), *range(total - 14, total + 1)}):
        in_child(partial(replaced, opened(disk.root), new), die_at=number, dying=disk.cut_power)
        disk.unmount()
        disk.mount()
        check_one_of(opened(disk.root), old, new)
        replaced(opened(disk.root), new)
        check_copy(opened(disk.root), new)
        assert litter(disk.root) == []
        old, new = new, old


@pytest.fixture
def disk(fast_path: Path) -> Iterator[Disk]:
    disk = Disk(fast_path)
    yield disk
    disk.close()


@needs_disk
@pytest.mark.parametrize("work", [copy_job, write_in_batches])
def test_power_cut_at_some_calls(disk: Disk, work: Callable[[LocalLibrary, Job], object]):
    check_power_cuts(disk, work, step=0.05)


@pytest.mark.soak
@_LONG
@pytest.mark.parametrize(
    "kind", [pytest.param("ext4", marks=needs_disk), pytest.param("xfs", marks=needs_xfs)]
)
@pytest.mark.parametrize("work", [copy_job, write_in_batches, write_behind])
def test_power_cut_at_every_call(
    fast_path: Path, kind: str, work: Callable[[LocalLibrary, Job], object]
):
    disk = Disk(fast_path, kind=kind)
    try:
        check_power_cuts(disk, work, step=0)
    finally:
        disk.close()


def check_power_cuts(
    disk: Disk, work: Callable[[LocalLibrary, Job], object], *, step: float
) -> None:
    """Cuts the power at calls spread over the work, at its last ones and after it."""
    job = followed_job() if work is write_behind else big_batch_job()
    disk.mount()
    opened(disk.root).initialise(IDENTITY)
    for _ in range(2):  # the first time more directories are made
        total = len(calls_of(disk.root, lambda library: work(library, job)))
        opened(disk.root).remove_job(PLACE, 7)
    points = range(7, total, max(1, int(total * step)))
    for number in sorted({*points, *range(total - 6, total + 1), _NEVER}):
        is_done = in_child(
            lambda: work(opened(disk.root), job), die_at=number, dying=disk.cut_power
        )
        disk.unmount()
        disk.mount()
        library = opened(disk.root)
        published = library.published(PLACE)
        assert published or not is_done
        if published:
            check_copy(library, job)
        finished(library, job)
        check_copy(library, job)
        assert litter(disk.root) == []
        library.remove_job(PLACE, 7)


@needs_disk
def test_power_cut_after_an_initialisation(disk: Disk):
    disk.mount()
    in_child(lambda: bool(opened(disk.root).initialise(IDENTITY)), die_at=0, dying=disk.cut_power)
    disk.unmount()
    disk.mount()

    assert opened(disk.root).probe().identity == IDENTITY


STRACED = """
import sys
from functools import partial
from pathlib import Path
sys.path.insert(0, ".")
from tests.library.samples import copy_job, sample_job, COMMCELL, IDENTITY
from engine.library.local import LocalLibrary
library = LocalLibrary("vault", sys.argv[1].encode(), uuid="", commcell_id=COMMCELL)
library.initialise(IDENTITY)
copy_job(library, sample_job())
"""


def test_order_of_the_publication_as_the_kernel_sees_it(root: Path, tmp_path: Path):
    from sys import executable

    log = tmp_path / "strace.log"
    try:
        traced = subprocess.run(
            ["strace", "-f", "-y", "-o", str(log), "-e", _TRACED, executable, "-c", STRACED, root],
            check=False,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("strace is not installed: the order of system calls is not proven here")
    if "PTRACE" in traced.stderr:
        pytest.skip("strace may not trace here: the order of system calls is not proven here")
    assert traced.returncode == 0, traced.stderr

    steps = [_step(line, str(root)) for line in log.read_text().splitlines()]
    order = [step for step in steps if step]

    last_write = max(i for i, step in enumerate(order) if step.startswith("write data"))
    last_mark = max(i for i, step in enumerate(order) if step in ("fchmod data", "utimensat data"))
    data_sync = order.index("syncfs data", last_write)
    manifest_sync = order.index("fsync manifest")
    manifest_rename = order.index("rename manifest")
    job_sync = order.index("fsync job", manifest_rename)
    publication = order.index("rename job")
    assert (
        last_write
        < last_mark
        < data_sync
        < manifest_sync
        < manifest_rename
        < job_sync
        < publication
    )
    assert order[publication + 1 :][:2] == ["fsync copy", "fsync partials"]


_TRACED = "trace=pwrite64,write,fsync,fdatasync,syncfs,fchmod,utimensat,rename,renameat,renameat2"


def _step(line: str, root: str) -> str:
    """One traced call in the words of the protocol; empty when it is about something else."""
    copy = f"{root}/{PLACE.policy}/{PLACE.copy}"
    call = line.split(maxsplit=1)[1].split("(", 1)[0]
    where = {
        f"<{copy}/.partial/7/data": "data",
        f"<{copy}/.partial/7/manifest": "manifest",
        f"<{copy}/.partial/7>": "job",
        f"<{copy}/.partial>": "partials",
        f"<{copy}>": "copy",
    }
    if "= 0" not in line and "write" not in call:
        return ""
    if call.startswith("rename"):
        if '"manifest.jsonl.zst.new"' in line:
            return "rename manifest"
        return "rename job" if '"7"' in line and "RENAME_NOREPLACE" in line else ""
    found = next((name for path, name in where.items() if path in line), "")
    kind = "write" if "write" in call else call.replace("fdatasync", "fsync")
    return f"{kind} {found}" if found else ""
