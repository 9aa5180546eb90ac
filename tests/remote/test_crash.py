"""Service and server killed at random moments: nothing available is lost or wrong, no proven chunk goes twice."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import seed
from tests.faults.estate import Estate
from tests.faults.services import Nursery, Service
from tests.faults.test_crash import assert_worth_it, kill_rounds, proven_everywhere
from tests.remote.sshd import Sshd, running_sshd

__all__ = ["seed"]  # a fixture

ROUNDS = 5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    """A server of its own, which is killed now and then."""
    with running_sshd(tmp_path / "server") as server:
        yield server


class FarEstate(Estate):
    """Its files have times in whole seconds, as SFTP keeps them."""

    def start(self, **stage: Any) -> Service:
        return super().start(retry_delays_s=[0.3, 1.0], **stage)

    def file_run(self, **options: Any) -> None:
        # a server takes its time to come back on a busy host; retries must outlast that
        super().file_run(retries=200, **options)

    def add_some(self, numbers: random.Random, *, chunks: int = 16) -> None:
        super().add_some(numbers, chunks=chunks)
        for path in sorted(self.cell.landing.rglob("*"), reverse=True):
            at = int(path.lstat().st_mtime)
            os.utime(path, (at, at), follow_symlinks=False)
        for entry in self.cell.landing.iterdir():
            self.oracle.knows(os.fsencode(entry.name))


@pytest.fixture
def estate(tmp_path: Path, nursery: Nursery, server: Sshd) -> Iterator[Estate]:
    """A CommCell with one copy over SFTP and one here."""
    estate = FarEstate(tmp_path / "cell", nursery)
    (estate.root / "vault").mkdir()
    estate.cell.vault = server.url(estate.root / "vault")
    yield estate
    estate.end()


class Killer(threading.Thread):
    """Kills a server at random moments and starts it again, from the first proof on."""

    def __init__(self, server: Sshd, estate: Estate, numbers: random.Random, most: int) -> None:
        super().__init__()
        self._server = server
        self._estate = estate
        self._numbers = numbers
        self._most = most
        self._is_over = threading.Event()
        self.kills = 0

    def run(self) -> None:
        while not self._has_begun() and not self._is_over.wait(0.05):
            continue
        while self.kills < self._most and not self._is_over.wait(self._pause_s()):
            self._server.kill()
            self._is_over.wait(self._numbers.uniform(0, 0.2))
            self._server.start()
            self.kills += 1

    def _pause_s(self) -> float:
        """Before the next kill; the first one comes at once, so that there is one."""
        return self._numbers.uniform(0.2, 3) if self.kills else 0

    def _has_begun(self) -> bool:
        with suppress(sqlite3.Error):  # before there is a catalog
            return bool(proven_everywhere(self._estate))
        return False

    def stop(self) -> None:
        self._is_over.set()
        self.join()


def test_the_service_is_killed(estate: Estate, seed: int) -> None:
    assert_worth_it(kill_rounds(estate, random.Random(seed), ROUNDS))


def test_service_and_server_are_killed(estate: Estate, server: Sshd, seed: int) -> None:
    killer = Killer(server, estate, random.Random(seed + 1), most=3)
    killer.start()
    try:
        assert_worth_it(kill_rounds(estate, random.Random(seed), ROUNDS))
    finally:
        killer.stop()
    assert killer.kills


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_service_and_server_are_killed_many_times(estate: Estate, server: Sshd, seed: int) -> None:
    killer = Killer(server, estate, random.Random(seed + 2), most=30)
    killer.start()
    try:
        assert_worth_it(kill_rounds(estate, random.Random(seed), 50))
    finally:
        killer.stop()
