"""What holds for every plan, whatever the rules, the options and the state of the copies."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.encoding import encoding_of
from engine.model.states import INCOMPLETE, LAST_FAILED
from engine.model.states import JobCopyState as S
from engine.policy.judgement import Judge
from engine.policy.plan import DEFAULT_CALENDAR, build_plan, plan_copy
from engine.policy.selection import SELECT_RULES
from engine.policy.values import RunOptions
from engine.policy.zones import LocalClock
from tests.policy.lines import BLOCKED, DAY, NOW, PRIMARY, TAKEN, line, plan, selective, synchronous

STATES = st.none() | st.sampled_from(S)
JOBS = st.builds(
    line,
    job=st.integers(1, 40),
    subclient=st.sampled_from(["a/x", "b/y"]),
    level=st.sampled_from(["full", "incremental"]),
    completed_at=st.floats(NOW - 100 * DAY, NOW),
    source_available_at=st.none() | st.floats(NOW - 100 * DAY, NOW),
    cycle=st.integers(0, 9),
    source_state=STATES,
    source_verification=st.sampled_from(["never", "good", "failed"]),
    state=STATES,
    decision=st.sampled_from(["", "", "", "picked", "do_not_copy", "recopy", "bad"]),
    decided_at=st.none() | st.floats(NOW - 100 * DAY, NOW),
    available_at=st.none() | st.floats(NOW - 100 * DAY, NOW),
    tries=st.integers(0, 5),
    priority=st.integers(0, 9),
)
LINES = st.lists(JOBS, max_size=30, unique_by=lambda one: one.backup_job_id)
RULES = st.one_of(
    st.builds(synchronous, defer_s=st.sampled_from([0, DAY]), active=st.booleans()),
    st.builds(
        selective,
        rule=st.sampled_from(SELECT_RULES),
        take=st.sampled_from(["first", "last"]),
        select_every=st.integers(1, 4),
        copy_id=st.just(2),
    ),
)
OPTIONS = st.builds(
    RunOptions,
    skip_failed_verification=st.booleans(),
    use_most_recent_full=st.booleans(),
    fulls_first=st.booleans(),
)


COMMON_RULES = (
    synchronous(),
    synchronous(defer_s=DAY),
    synchronous(active=False),
    synchronous(subclients=frozenset({"b/y"})),
    synchronous(on_and_after=datetime.fromtimestamp(NOW - 5 * DAY, UTC)),
    synchronous(encoding=encoding_of("zstd", ())),
    selective(),
    selective(rule="monthly", take="last"),
)
COMMON_OPTIONS = (
    RunOptions(),
    RunOptions(skip_failed_verification=True),
    RunOptions(use_most_recent_full=True),
    RunOptions(fulls_first=True),
)
COMMON_LINES = [
    line(number, **facts)
    for number, facts in enumerate(
        (
            {},
            {"level": "incremental"},
            {"source_state": None},
            {"source_state": S.BAD},
            {"source_available_at": None},
            {"source_available_at": NOW - DAY / 2},
            {"source_available_at": None, "completed_at": NOW - DAY / 2},
            {"source_available_at": NOW + DAY},
            {"source_verification": "failed"},
            {"source_reason": f"{INCOMPLETE}2 files"},
            {"source_encoding": "zstd\nage1x"},
            {"reason": f"{LAST_FAILED}no room"},
            {"tries": 5},
            {"decision": "do_not_copy"},
            {"decision": "picked"},
            {"subclient": "b/y"},
        ),
        start=1,
    )
]


@pytest.mark.parametrize("options", COMMON_OPTIONS)
@pytest.mark.parametrize("rules", COMMON_RULES)
@pytest.mark.parametrize("completed_by", [None, NOW - 9 * DAY])
def test_what_is_judged_the_short_way_is_judged_as_the_long_way(rules, options, completed_by):
    judge = Judge(
        rules,
        now=NOW,
        options=options,
        clock=LocalClock("UTC"),
        calendar=DEFAULT_CALENDAR,
        source_name="primary",
        completed_by=completed_by,
    )
    judge.look_at(COMMON_LINES)

    assert judge.verdicts(COMMON_LINES) == [judge.verdict(one) for one in COMMON_LINES]


@settings(max_examples=300)
@given(rules=RULES, lines=LINES, options=OPTIONS)
def test_laws_of_every_plan(rules, lines, options):
    verdicts = plan_copy(rules, lines, now=NOW, options=options, source_name="primary")

    assert [v.backup_job_id for v in verdicts] == [one.backup_job_id for one in lines]
    for one, verdict in zip(lines, verdicts, strict=True):
        assert verdict.reason
        assert "\n" not in verdict.reason
        if verdict.verdict is TAKEN:
            assert one.source_state is S.AVAILABLE
            assert rules.active
            assert one.decision not in ("do_not_copy", "bad")
            if one.decision == "":
                assert one.state not in (S.AVAILABLE, S.AGED, S.BAD)
        if verdict.verdict is BLOCKED:
            assert verdict.next_step
        if one.state in (S.AVAILABLE, S.AGED) and one.decision != "do_not_copy":
            assert verdict.state in (one.state, S.BAD)


@settings(max_examples=150)
@given(rules=RULES, lines=LINES, options=OPTIONS)
def test_nothing_is_taken_twice(rules, lines, options):
    """What a run has copied is not taken by the next one."""
    first = plan_copy(rules, lines, now=NOW, options=options)
    after = [
        one._replace(state=S.AVAILABLE, available_at=NOW + 1) if v.verdict is TAKEN else one
        for one, v in zip(lines, first, strict=True)
    ]

    second = plan_copy(rules, after, now=NOW + 2, options=options)

    took = {v.backup_job_id for v in first if v.verdict is TAKEN and v.backup_job_id}
    undated = {
        one.backup_job_id for one in lines if one.decision == "recopy" and one.decided_at is None
    }
    again = {v.backup_job_id for v in second if v.verdict is TAKEN} & took
    assert again <= undated


@settings(max_examples=100)
@given(lines=LINES, data=st.data())
def test_a_chain_never_copies_ahead(lines, data):
    """Run by run along primary -> s1 -> s2: s2 takes only what s1 had when the run was planned."""
    s1, s2 = synchronous(2, "s1"), synchronous(3, "s2", source_copy_id=2)
    on_s1 = {one.backup_job_id: one.state for one in lines}
    on_s2 = dict.fromkeys(on_s1)
    for _ in range(4):
        as_s2_sees = [
            one._replace(source_state=on_s1[one.backup_job_id], state=on_s2[one.backup_job_id])
            for one in lines
        ]
        as_s1_sees = [one._replace(state=on_s1[one.backup_job_id]) for one in lines]
        made = plan([PRIMARY, s1, s2], {2: as_s1_sees, 3: as_s2_sees})
        for order in made.orders():
            if order.source_copy_id == 2:
                assert on_s1[order.backup_job_id] is S.AVAILABLE
        for order in made.orders():
            if data.draw(st.booleans()):
                done = on_s2 if order.source_copy_id == 2 else on_s1
                done[order.backup_job_id] = S.AVAILABLE


@settings(max_examples=100)
@given(lines=LINES, options=OPTIONS)
def test_orders_are_what_is_taken(lines, options):
    copies = [PRIMARY, synchronous(2), selective("weekly", "last", copy_id=3)]

    made = build_plan(copies, {2: lines, 3: lines}, now=NOW, options=options)

    pairs = [(copy, order.backup_job_id) for order in made.orders() for copy in order.copy_ids]
    assert sorted(pairs) == sorted((v.copy_id, v.backup_job_id) for v in made.taken)
    assert [t.taken for t in made.totals] == [
        sum(v.copy_id == copy and v.verdict is TAKEN for v in made.lines) for copy in (2, 3)
    ]
