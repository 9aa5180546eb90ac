from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cell import Cell


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    """An empty CommCell; its service is stopped at the end."""
    made = Cell(tmp_path / "cell")
    yield made
    made.close()
