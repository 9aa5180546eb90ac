"""The deletion fuse: what is too much at once, however little it is."""

from __future__ import annotations

import pytest

from engine.policy.fuse import FuseLimits, HeldCopy, too_many, too_much_of_subclient

LIMITS = FuseLimits()


def cycles(*sizes: int) -> list[HeldCopy]:
    """Job copies in cycles of so many, each with a full first."""
    held: list[HeldCopy] = []
    for cycle, size in enumerate(sizes, 1):
        for number in range(size):
            job = len(held) + 1
            held.append(HeldCopy(job, cycle, float(job), is_good_full=number == 0))
    return held


@pytest.mark.parametrize(
    ("aging", "held", "reason"),
    [
        (0, 0, ""),
        (0, 3, ""),
        (1, 2, ""),
        (11, 40, "11 of its 40 job copies would go at once, more than 25 %"),
        (1001, 9000, "1001 of its 9000 job copies would go at once, more than 1000"),
    ],
)
def test_a_copy(aging, held, reason):
    found = too_many(aging, held, LIMITS)

    assert found.startswith(reason)
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("held", "going", "reason"),
    [
        (cycles(1, 1), 1, ""),
        (cycles(7, 1), 7, ""),  # a cycle goes when the next one has begun
        (cycles(1, 1, 1, 1), 2, ""),
        (cycles(1, 1, 1), 2, "2 of its 3 cycles would go at once"),
        (cycles(1, 1, 1, 1), 3, "3 of its 4 cycles would go at once"),
        (cycles(2, 3), 3, "its newest full would go, backup job 3"),
        (cycles(2, 3), 5, "all 5 of its job copies would go"),
        (cycles(2, 3), 0, ""),
        (cycles(1), 1, "its only job copy would go"),
    ],
)
def test_a_subclient(held, going, reason):
    found = too_much_of_subclient(held[:going], held, LIMITS)

    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_a_higher_share_that_is_set_holds_for_few_too():
    held = cycles(1, 1, 1, 1)

    assert too_much_of_subclient(held[:3], held, FuseLimits(pct=80)) == ""
    assert too_much_of_subclient(held, held, FuseLimits(pct=100))


def test_a_newest_full_that_is_bad_is_not_the_newest():
    held = [HeldCopy(1, 1, 1.0, is_good_full=True), HeldCopy(2, 2, 2.0, is_good_full=False)]

    assert "backup job 1" in too_much_of_subclient(held[:1], held, LIMITS)
