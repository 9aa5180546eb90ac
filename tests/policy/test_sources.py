from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.policy.sources import next_copy_name, resolve_sources, source_cycle, source_order
from tests.policy.lines import PRIMARY, synchronous


def test_default_source_is_the_primary():
    (_, copy) = resolve_sources([PRIMARY, synchronous(source_copy_id=None)])

    assert copy.source_copy_id == PRIMARY.copy_id


@pytest.mark.parametrize(
    ("copies", "message"),
    [
        ([PRIMARY, replace(PRIMARY, copy_id=9)], "one primary copy, this one has 2"),
        ([synchronous(source_copy_id=None)], "has no source"),
        ([PRIMARY, synchronous(source_copy_id=77)], "is not a copy of its policy"),
        (
            [PRIMARY, synchronous(2, "a", source_copy_id=3), synchronous(3, "b", source_copy_id=2)],
            "circle: a -> b -> a",
        ),
        ([PRIMARY, synchronous(2, "a", source_copy_id=2)], "circle: a -> a"),
    ],
)
def test_wrong_sources_are_refused(copies, message):
    with pytest.raises(UsageError, match=message):
        resolve_sources(copies)


@given(st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=10))
def test_a_cycle_is_found_when_there_is_one(sources):
    copies = [
        synchronous(number, f"c{number}", source_copy_id=source)
        for number, source in enumerate(sources)
    ]

    def is_in_a_circle(number):
        at = sources[number]
        for _ in sources:
            if at is None or at >= len(sources):
                return False
            if at == number:
                return True
            at = sources[at]
        return False

    found = source_cycle(copies)

    assert bool(found) == any(is_in_a_circle(number) for number in range(len(sources)))
    if found:
        assert found[0] == found[-1]
        assert all(is_in_a_circle(int(name[1:])) for name in found)


def test_sources_come_before_the_copies_that_read_them():
    far = synchronous(2, "far", source_copy_id=3)
    near = synchronous(3, "near", precedence=5)
    other = synchronous(4, "other", precedence=1)

    assert [copy.name for copy in source_order([far, PRIMARY, near, other])] == [
        "other",
        "near",
        "far",
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "Copy_2"),
        (["primary", "Copy_2"], "Copy_3"),
        (["primary", "copy_2", "Copy_4"], "Copy_3"),
        (["Copy_3"], "Copy_2"),
    ],
)
def test_next_free_name(names, expected):
    assert next_copy_name(names) == expected
