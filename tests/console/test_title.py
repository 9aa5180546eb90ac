"""The title line says how the service is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from auxtui.feed_values import Pulse
from auxtui.frame import State, title_cells
from auxtui.present import Look
from engine.catalog.values import ServiceValue

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "words"), [("running", "service died "), ("stopped", "service idle ")]
)
def test_a_service_that_died_is_not_idle(state: str, words: str) -> None:
    service = ServiceValue(
        epoch=1,
        pid=1,
        host="store1",
        boot_id="b",
        version="1",
        state=state,
        started_at=NOW,
        heartbeat_at=NOW,
    )
    pulse = Pulse(service=service, service_alive=False, active=(), recent=(), at=NOW)

    _, right = title_cells((), State(pulse=pulse), Look(zone=UTC))

    assert "".join(cell.text for cell in right) == words
