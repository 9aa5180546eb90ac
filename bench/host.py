"""On what and when something was measured: a figure without it says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(where: Path) -> str:
    """Kind of the file system that a path lies on."""
    asked = ["stat", "-f", "-c", "%T", str(where)]
    return subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def conditions(where: Path, shape: tuple[int, int]) -> dict[str, object]:
    """Date, host and amount of a measurement, as members of a JSON object.

    Args:
        where: the directory that was copied in.
        shape: bytes of large files, and number of small ones.
    """
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 1024**3),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file_system": _file_system(where),
        "load_before": round(os.getloadavg()[0], 1),
        "large_bytes": shape[0],
        "small_files": shape[1],
    }
