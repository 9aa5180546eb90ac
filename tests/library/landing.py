"""Landing directories as backup programs leave them."""

import os
from pathlib import Path

from engine.library.landing import LandingScan, look_at_landing


def look(landing: Path, pattern: str = "*") -> LandingScan:
    """What is found in it by somebody who knows nothing of it yet."""
    return look_at_landing(bytes(landing), pattern, identity={}, expects_entries=False)


def tree(landing: Path) -> None:
    """A directory as a backup program would leave it, and some odd things in it."""
    job = landing / "job1"
    (job / "sub").mkdir(parents=True)
    (job / "a").write_bytes(b"content")
    os.link(job / "a", job / "sub" / "z")
    (job / "sub" / "link").symlink_to("/etc/passwd")
    os.mkfifo(job / "fifo")
