"""A service inside the test process looks ten times as often for what is due: these tests mostly wait for that look."""

from __future__ import annotations

import pytest

from engine.control import outbox, service
from engine.model import entries

LOOK_S = 0.1
CHUNK_BYTES = 64 * 1024
BIG = 16 << 20
CRAWL_BPS = 256 * 1024
"""A file of this size takes a minute at this rate: time enough to stop the job in its middle."""


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "TICK_S", LOOK_S)
    monkeypatch.setattr(outbox, "POLL_S", LOOK_S)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few megabytes have many chunks: a job of them can be as slow as a test needs it."""
    monkeypatch.setattr(entries, "MIN_CHUNK_BYTES", CHUNK_BYTES)
