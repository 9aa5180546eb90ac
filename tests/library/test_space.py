"""A library is never filled to the brim."""

import pytest

from engine.library.space import keep_free_bytes


@pytest.mark.parametrize(
    ("total", "kept"),
    [(0, 0), (1000, 10), (100 * 1024**3, 1024**3), (10 * 1024**4, 1024**3)],
)
def test_one_percent_at_most_a_gibibyte(total: int, kept: int):
    assert keep_free_bytes(total) == kept
