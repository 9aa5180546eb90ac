"""`python -m engine.control HOME READY_FD`: the detached service."""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from pathlib import Path

OPEN_FILES = (
    65_536  # a restore holds thousands of small files open; 1,024, as usual, are for `select`
)

COLLECT_AFTER = 50_000  # objects; a copy of small files makes many, and hardly a cycle among them


def allow_open_files() -> None:
    """Takes as many descriptors as the system lets a process have by itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    """Runs the service; says `ready`, or what went wrong, on the pipe of its starter."""
    gc.disable()  # what is imported stays: to look for garbage in it made the start longer
    from engine.catalog.home import Home
    from engine.control.service import run_service
    from engine.model.errors import AuxError

    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    gc.enable()
    allow_open_files()
    home, ready = Home(Path(sys.argv[1])), int(sys.argv[2])

    def say(message: bytes) -> None:
        os.write(ready, message)
        os.close(ready)

    try:
        return run_service(home, on_ready=lambda: say(b"ready\n"))
    except AuxError as err:
        print(f"auxtui service: {err.message}", file=sys.stderr)  # noqa: T201 - stderr is the log
        try:
            say(json.dumps({"error": err.message, "hint": err.hint}).encode() + b"\n")
        except OSError:
            return err.exit_code  # it was ready once: the starter has gone
        return err.exit_code


if __name__ == "__main__":
    sys.exit(main())
