from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.library.objects import connection, parts, store
from engine.library.objects.jobhome import LibraryHome
from engine.library.objects.library import ObjectLibrary
from tests.library.samples import COMMCELL, IDENTITY, Job
from tests.proxy import Proxy, proxy_to
from tests.stores import StoreServer

PART = 64 * 1024
CHUNK = 4 * PART
LARGE = CHUNK + PART + 5
MOST_THREADS = 50
PATIENCE_S = 120.0
_CAPABILITIES: dict[frozenset[str], dict[str, Any]] = {}
"""Of the server that these tests share, by what the proxy before it verifies."""


@dataclass
class Bucket:
    """A library in a bucket behind a proxy."""

    server: StoreServer
    proxy: Proxy
    name: str
    home: Path

    def open(self, **options: str) -> ObjectLibrary:
        """Opens it, as another process would."""
        connection.close_connections()
        return self.opened(**options)

    def opened(self, **options: str) -> ObjectLibrary:
        """Opens it once more in the same process."""
        url = self.server.url(self.name, endpoint=self.proxy.endpoint, **options)
        return ObjectLibrary.of_url("vault", url, home=self.home, uuid="", commcell_id=COMMCELL)

    def library(self, *, is_known: bool = True) -> ObjectLibrary:
        """Opened and marked.

        Args:
            is_known: what its server can do is remembered from the test before: found out anew
                it costs more than most tests.
        """
        library, remembered = self.open(), LibraryHome(bytes(self.home), IDENTITY.uuid)
        verifies = frozenset(self.proxy.verifies)
        if is_known and verifies in _CAPABILITIES:
            remembered.remember(_CAPABILITIES[verifies])
        library.initialise(IDENTITY)
        if is_known:
            _CAPABILITIES[verifies] = remembered.capabilities()
        self.proxy.requests.clear()
        return library

    def there(self) -> list[str]:
        """Every key but the marker."""
        return [
            key for key in self.server.keys(self.name) if not key.endswith("auxtui-library.json")
        ]


def large_job(size: int = LARGE) -> Job:
    """A file of two chunks and six parts."""
    job = Job()
    job.file(b"large", random.Random(size).randbytes(size), chunk=CHUNK)
    return job


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Parts of 64 KiB, so that small files have many."""
    monkeypatch.setattr(parts, "PART_BYTES", PART)
    monkeypatch.setattr(parts, "WHOLE_BYTES", PART)
    return PART


@pytest.fixture
def bucket(moto: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(store, "FIRST_PAUSE_S", 0.001)
    with proxy_to(moto.endpoint) as proxy:
        yield Bucket(moto, proxy, moto.bucket(), home)
        proxy.thaw.set()
        connection.close_connections()
    until = time.monotonic() + PATIENCE_S
    while threading.active_count() >= MOST_THREADS:  # those of the proxy end when they notice
        assert time.monotonic() < until, threading.enumerate()
        time.sleep(0.02)
