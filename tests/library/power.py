"""A disk of its own, in a file, whose power can be cut. Needs root, loop devices and mkfs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN: from now on nothing reaches the device
_TRIES = 50
_MOUNTS = 480
_PIN_S = 0.25
_MAKE = {
    "ext4": (64, ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0")),
    "xfs": (320, ("mkfs.xfs", "-q", "-f")),
}
"""By kind: MiB, the least that it can be made with, and what makes it."""
_WITHOUT_FLUSH = (2).to_bytes(4, "little")  # what is in memory is lost, as without power


def _works(kind: str) -> bool:
    if os.geteuid() or not shutil.which(f"mkfs.{kind}"):
        return False
    with tempfile.TemporaryDirectory() as name:
        disk = Disk(Path(name), kind=kind)
        try:
            disk.mount()
        except (OSError, subprocess.CalledProcessError):
            return False
        finally:
            disk.close()
        return True


class Disk:
    """A file system in a file below a directory."""

    def __init__(self, directory: Path, *, kind: str = "ext4") -> None:
        size_mib, make = _MAKE[kind]
        self._image = directory / "disk.img"
        self.root = directory / "disk"
        self.root.mkdir()
        self._is_mounted = False
        with self._image.open("wb") as image:
            image.truncate(size_mib * 1024**2)
        _run(*make, str(self._image))

    def mount(self) -> None:
        """Mounts; after a power cut the journal of the file system is replayed."""
        for _ in range(_MOUNTS):
            _run("mount", "-o", "loop", str(self._image), str(self.root))
            self._is_mounted = True
            if self._is_alive():
                return
            # A process with mounts of its own still pins the one whose power was cut.
            self.unmount()
            time.sleep(_PIN_S)
        raise OSError(f"{self.root} stays without power")

    def _is_alive(self) -> bool:
        try:
            os.listdir(self.root)
            (self.root / "alive").write_bytes(b"")
            (self.root / "alive").unlink()
        except OSError:
            return False
        return True

    def unmount(self) -> None:
        """Unmounts."""
        for _ in range(_TRIES):  # whoever looks at all mounts holds it for a moment
            if not subprocess.run(
                ["umount", str(self.root)], check=False, capture_output=True
            ).returncode:
                break
        else:
            _run("umount", str(self.root))
        self._is_mounted = False

    def cut_power(self) -> None:
        """Loses everything that was not synced."""
        fd = os.open(self.root, os.O_RDONLY)
        fcntl.ioctl(fd, _SHUTDOWN, _WITHOUT_FLUSH)
        os.close(fd)

    def close(self) -> None:
        """Unmounts if it is mounted."""
        if self._is_mounted:
            _run("umount", "--lazy", str(self.root))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


needs_disk = pytest.mark.skipif(
    not _works("ext4"), reason="NOT PROVEN HERE: power cuts need root, loop devices and mkfs.ext4"
)
needs_xfs = pytest.mark.skipif(
    not _works("xfs"), reason="NOT PROVEN HERE: reflinks need root, loop devices and mkfs.xfs"
)
