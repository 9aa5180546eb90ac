"""Power cuts on a file system of its own: everything that was not synced is gone.

Catalog, landing directory and libraries lie on one ext4 in an image. `ioctl(EXT4_IOC_SHUTDOWN)`
without flushing stops it as a power cut does; mounted again it shows what was on the disk. Run
as root in a mount namespace of its own, so that nobody else holds the mount:

    unshare -m --propagation private python -m tests.faults.power_cut DIR ROUNDS SEED

Prints a line for each round; exits with 1 at the first finding.
"""

from __future__ import annotations

import fcntl
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.estate import Estate
from tests.faults.services import Nursery
from tests.faults.test_crash import await_moment

_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING = (2).to_bytes(4, "little")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
IMAGE_BYTES = 256 << 20
THROTTLE_BPS = 6 << 20


class Disk:
    """A file system in an image, that can lose its power."""

    def __init__(self, directory: Path) -> None:
        self.image = directory / "image"
        self.root = directory / "disk"
        self.root.mkdir()
        with self.image.open("wb") as stream:
            stream.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", str(self.image))
        self.mount()

    def mount(self) -> None:
        """Mounts it; the journal of ext4 is replayed."""
        _run("mount", "-o", "loop,commit=1", str(self.image), str(self.root))

    def unmount(self) -> None:
        """Unmounts it."""
        _run("umount", str(self.root))

    def sync(self) -> None:
        """Writes back what is there, as the kernel does now and then."""
        _run("sync", "-f", str(self.root))

    def cut(self) -> None:
        """The power goes: from here on nothing reaches the image."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, _WITHOUT_FLUSHING)
        finally:
            os.close(descriptor)


class Boot:
    """What the kernel says which boot this is; another one after a power cut, in this namespace."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "boot_id"
        self._file.write_text(_BOOT_ID.read_text())
        _run("mount", "--bind", str(self._file), str(_BOOT_ID))

    def again(self, numbers: random.Random) -> None:
        """Another boot."""
        digits = f"{numbers.getrandbits(128):032x}"
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        self._file.write_text("-".join(parts) + "\n")


def cut_round(
    estate: Estate, disk: Disk, boot: Boot, numbers: random.Random, *, is_completed: bool
) -> str:
    """One power cut and what follows; returns what was cut, asserts that nothing was lost.

    Args:
        is_completed: cut right after a job has completed, not in the middle of it.
    """
    if estate.is_settled():
        estate.add_some(numbers)
        disk.sync()  # the dumps are older than the power cut; what is tested is what copies them
    service = estate.start_ready()
    estate.scan()
    estate.file_run(throttle_bps=None if numbers.random() < 0.3 else THROTTLE_BPS, streams=2)
    if is_completed:
        estate.until(estate.is_settled)
        assert estate.jobs()[-1]["state"] == "completed", estate.jobs()[-1]["reason"]
    else:
        await_moment(estate, numbers)
        if numbers.random() < 0.3:
            disk.sync()  # background write-back: some of what is not synced by auxtui is there
        time.sleep(numbers.uniform(0, 0.05))  # the moment of the cut
        is_completed = estate.is_settled()
    disk.cut()
    service.kill()
    estate.end()
    disk.unmount()
    disk.mount()
    if numbers.random() < 0.5:
        boot.again(numbers)
    found = estate.oracle.examine(is_finished=is_completed)
    assert found == [], f"after the cut: {found}"
    found = estate.finish()
    assert found == [], f"finished after the cut: {found}"
    last = estate.jobs()[-1]
    assert last["state"] == "completed", f"{last['state']}: {last['reason']}"
    return "after completed" if is_completed else "in the middle"


def main() -> int:
    """Runs the rounds."""
    directory, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    directory.mkdir(parents=True)
    numbers = random.Random(seed)
    disk, boot = Disk(directory), Boot(directory)
    nursery = Nursery()
    estate = Estate(disk.root / "estate", nursery)
    try:
        estate.apply()
        for number in range(rounds):
            cut = cut_round(estate, disk, boot, numbers, is_completed=number % 3 == 0)
            print(f"round {number}: {cut}", flush=True)  # noqa: T201 - read by the test
    finally:
        estate.end()
        nursery.close()
    disk.unmount()
    return 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
