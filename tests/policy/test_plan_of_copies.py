"""A plan over all copies of a policy: who is read for whom, in which order, and what follows."""

from __future__ import annotations

import pytest

from engine.model.encoding import encoding_of
from engine.model.errors import UsageError
from engine.model.states import JobCopyState as S
from engine.policy.plan import build_plan
from engine.policy.values import RunOptions
from tests.policy.lines import (
    BLOCKED,
    DAY,
    FOLLOWS,
    NOW,
    PRIMARY,
    SKIPPED,
    TAKEN,
    line,
    plan,
    synchronous,
)


def test_one_read_for_all_copies_of_a_source():
    second, third, chained = (
        synchronous(2),
        synchronous(3, "third"),
        synchronous(4, "far", source_copy_id=2),
    )
    lines = [line(1), line(2, size_bytes=7)]
    there = [line(1, state=S.AVAILABLE), line(2, size_bytes=7)]

    made = plan([PRIMARY, second, third, chained], {2: lines, 3: there, 4: lines})

    assert [
        (o.backup_job_id, o.source_copy_id, o.copy_ids, o.size_bytes) for o in made.orders()
    ] == [
        (1, 1, (2,), 100),
        (1, 2, (4,), 100),
        (2, 1, (2, 3), 7),
        (2, 2, (4,), 7),
    ]
    assert [(t.copy, t.taken, t.skipped, t.blocked, t.bytes) for t in made.totals] == [
        ("offsite", 2, 0, 0, 107),
        ("third", 1, 1, 0, 7),
        ("far", 2, 0, 0, 107),
    ]
    assert made.bytes_total == 221
    assert len(made.taken) == 5
    assert made.blocked == []


def test_order_is_priority_then_fulls_then_age():
    lines = [
        line(1, level="incremental", completed_at=NOW - 5),
        line(2, level="full", completed_at=NOW - 4),
        line(3, level="incremental", completed_at=NOW - 9, priority=9),
        line(4, level="incremental", completed_at=NOW - 3, priority=0),
        line(5, level="full", completed_at=NOW - 8),
    ]

    def order(**options):
        made = plan([PRIMARY, synchronous()], {2: lines}, **options)
        return [order.backup_job_id for order in made.orders()]

    assert order() == [4, 5, 1, 2, 3]
    assert order(fulls_first=True) == [4, 5, 2, 1, 3]


def test_the_most_urgent_copy_decides_on_a_shared_read():
    made = plan(
        [PRIMARY, synchronous(2), synchronous(3, "third")],
        {2: [line(1), line(2)], 3: [line(1, priority=7), line(2, priority=1)]},
    )

    assert [(order.backup_job_id, order.priority) for order in made.orders()] == [(2, 1), (1, 5)]


def test_all_active_copies_or_those_named():
    off = synchronous(3, "off", active=False)
    copies = [PRIMARY, synchronous(2), off]

    assert [c.name for c in plan(copies, {}).copies] == ["offsite"]
    assert [c.name for c in plan(copies, {}, copies=("off",)).copies] == ["off"]
    with pytest.raises(UsageError, match="there is no copy 'ofsite'") as caught:
        plan(copies, {}, copies=("ofsite",))
    assert "offsite" in caught.value.hint
    with pytest.raises(UsageError, match="is the primary"):
        plan(copies, {}, copies=("primary",))


@pytest.mark.parametrize(
    ("source", "far", "verdict"),
    [
        ({}, {}, FOLLOWS),
        ({"defer_s": 100 * DAY}, {}, SKIPPED),  # not even the source gets it
        ({}, {"defer_s": 1}, SKIPPED),  # counted from when the source has it
        ({}, {"subclients": ("db2/pg",)}, SKIPPED),
        ({"encoding": encoding_of("none", ("age1x",))}, {}, BLOCKED),
        ({"encoding": encoding_of("none", ("age1x",))}, {"encoding": encoding_of("none", ("age1x",))}, FOLLOWS),
    ],
)  # fmt: skip
def test_what_follows_is_judged_as_what_is_taken(source, far, verdict):
    chain = [PRIMARY, synchronous(2, **source), synchronous(3, "far", source_copy_id=2, **far)]
    made = plan(chain, {2: [line(1)], 3: [line(1, source_state=None)]})

    assert made.lines[1].verdict is verdict
    assert len(made.orders()) == (made.lines[0].verdict is TAKEN)


def test_a_chain_of_three_follows_to_its_end():
    chain = [PRIMARY, *(synchronous(n, f"c{n}", source_copy_id=n - 1) for n in (2, 3, 4))]
    coming = [line(1, source_state=None)]
    made = plan(chain, {2: [line(1)], 3: coming, 4: coming})

    assert [one.verdict for one in made.lines] == [TAKEN, FOLLOWS, FOLLOWS]
    assert made.bytes_total == 300


def test_copies_without_their_primary_have_their_sources_named():
    made = build_plan(
        [synchronous(2)],
        {2: [line(source_state=None)]},
        now=NOW,
        options=RunOptions(),
        source_names={1: "landing"},
    )

    assert made.lines[0].reason == "source 'landing' does not have it yet"
