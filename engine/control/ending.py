"""Ends a service that cannot be asked through its catalog: a signal to the process that holds the lock."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from engine.control.lock import read_holder
from engine.model.errors import ServiceError
from engine.model.names import shown


def terminate_holder(lock: Path) -> None:
    """Sends SIGTERM to the service, which stops at a chunk boundary as on request.

    Args:
        lock: the service's lock file. The process id in it only informs, and ids are given again:
            the process must be seen to hold the lock.

    Raises:
        ServiceError: the holder cannot be told, or must not be signalled; nobody was.
    """
    hint = f"look with `lslocks` or `fuser {shown(str(lock))}`, and end it by hand"
    holder = read_holder(lock)
    if holder is None:
        raise ServiceError(
            f"{shown(str(lock))} does not say which process the service is", hint=hint
        )
    try:
        process = os.pidfd_open(holder.pid)  # from here on the id cannot come to mean another
    except OSError as err:
        raise ServiceError(f"cannot reach process {holder.pid}: {err.strerror}", hint=hint) from err
    try:
        if not _holds(holder.pid, lock):
            raise ServiceError(f"process {holder.pid} does not hold the service's lock", hint=hint)
        signal.pidfd_send_signal(process, signal.SIGTERM)
    except OSError as err:
        raise ServiceError(f"cannot stop process {holder.pid}: {err.strerror}", hint=hint) from err
    finally:
        os.close(process)


def _holds(pid: int, lock: Path) -> bool:
    """True if one of the open files of a process is the lock file, with a `flock` on it."""
    wanted = lock.stat()
    for number in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{number}"), wanted):
                information = Path(f"/proc/{pid}/fdinfo/{number}").read_text(encoding="ascii")
                if any("FLOCK" in line for line in information.splitlines() if "lock:" in line):
                    return True
        except FileNotFoundError:
            continue  # closed meanwhile
    return False
