from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cell import Cell
from tests.stores import StoreServer, moto_server


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    """An empty CommCell; its service is stopped at the end."""
    made = Cell(tmp_path / "cell")
    yield made
    made.close()


@pytest.fixture(scope="session")
def moto() -> Iterator[StoreServer]:
    """A server that speaks S3; it verifies no checksums."""
    with moto_server() as server:
        yield server
