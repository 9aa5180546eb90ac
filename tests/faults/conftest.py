"""Fixtures of the fault rounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.estate import Estate
from tests.faults.services import Nursery


@pytest.fixture
def estate(tmp_path: Path, nursery: Nursery) -> Iterator[Estate]:
    """A CommCell with two copies; its service is killed at the end."""
    made = Estate(tmp_path / "estate", nursery)
    yield made
    made.end()


@pytest.fixture
def one_copy(tmp_path: Path, nursery: Nursery) -> Iterator[Estate]:
    """A CommCell with one copy; its service is killed at the end."""
    made = Estate(tmp_path / "estate", nursery, site="")
    yield made
    made.end()


@pytest.fixture
def seed() -> int:
    """Of this test's random choices: AUXTUI_SEED, or a new one; printed when the test fails."""
    chosen = int(os.environ.get("AUXTUI_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    print(f"AUXTUI_SEED={chosen}")  # noqa: T201 - pytest shows it with a failure
    return chosen
