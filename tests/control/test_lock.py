"""One service per catalog: the lock, and those who only look at it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from engine.control import lock
from engine.control.lock import ServiceLock, is_held
from engine.model.errors import ServiceError


def held_shared(path: Path) -> int:
    """As somebody holds it who looks whether a service is there."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def test_one_who_looks_keeps_no_service_from_starting(tmp_path: Path, monkeypatch):
    path, flock = tmp_path / "lock", fcntl.flock
    looking = [held_shared(path)]

    def late(descriptor: int, how: int) -> None:
        try:
            flock(descriptor, how)
        except BlockingIOError:
            while looking:  # it has seen enough
                os.close(looking.pop())
            raise

    monkeypatch.setattr(lock.fcntl, "flock", late)
    mine = ServiceLock(path)
    monkeypatch.undo()
    assert is_held(path)
    mine.release()
    assert not is_held(path)


def test_a_second_service_is_refused_and_the_first_one_named(tmp_path: Path):
    first = ServiceLock(tmp_path / "lock")
    with pytest.raises(ServiceError, match=f"pid {os.getpid()}"):
        ServiceLock(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    first.release()


def test_one_who_stays_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lock, "LOOKING_S", 0.0)
    stays = held_shared(tmp_path / "lock")
    with pytest.raises(ServiceError):
        ServiceLock(tmp_path / "lock")
    os.close(stays)
