"""A service inside the test process looks ten times as often for what is due: these tests mostly wait for that look."""

from __future__ import annotations

import pytest

from engine.control import outbox, service

LOOK_S = 0.1


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "TICK_S", LOOK_S)
    monkeypatch.setattr(outbox, "POLL_S", LOOK_S)
