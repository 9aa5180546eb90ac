from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.encoding import PLAIN, encoding_of
from engine.model.errors import UsageError
from engine.model.states import INCOMPLETE, LAST_FAILED
from engine.model.states import JobCopyState as S
from engine.policy.judgement import Judge
from engine.policy.plan import DEFAULT_CALENDAR, build_plan, plan_copy
from engine.policy.selection import SELECT_RULES
from engine.policy.values import NO_KEYS, Keys, RunOptions, Verdict
from engine.policy.zones import LocalClock
from tests.policy.lines import DAY, NOW, PRIMARY, at, line, selective, synchronous

TAKEN, FOLLOWS, SKIPPED, BLOCKED = (
    Verdict.TAKEN,
    Verdict.FOLLOWS,
    Verdict.SKIPPED,
    Verdict.BLOCKED,
)


def judged(rules, one, **options):
    zone, keys = options.pop("zone", "UTC"), options.pop("keys", NO_KEYS)
    (verdict,) = plan_copy(
        rules,
        [one],
        now=NOW,
        options=RunOptions(**options),
        zone=zone,
        source_name="primary",
        keys=keys,
    )
    return verdict


def said(rules, one, **options):
    verdict = judged(rules, one, **options)
    return verdict.verdict, verdict.state, verdict.reason


@pytest.mark.parametrize(
    ("facts", "verdict", "state", "reason"),
    [
        ({}, TAKEN, S.TO_BE_COPIED, "not there yet"),
        ({"state": S.TO_BE_COPIED}, TAKEN, S.TO_BE_COPIED, "not there yet"),
        (
            {"state": S.PARTIALLY_COPIED},
            TAKEN,
            S.PARTIALLY_COPIED,
            "partly there: goes on where it stopped",
        ),
        (
            {"state": S.AVAILABLE, "available_at": at("2026-01-02 23:59")},
            SKIPPED,
            S.AVAILABLE,
            "already there since 2026-01-02",
        ),
        ({"state": S.AVAILABLE}, SKIPPED, S.AVAILABLE, "already there"),
        ({"state": S.AGED}, SKIPPED, S.AGED, "aged off this copy: not copied again"),
        (
            {"source_state": S.TO_BE_COPIED},
            SKIPPED,
            S.TO_BE_COPIED,
            "source 'primary' does not have it yet",
        ),
        ({"source_state": None}, SKIPPED, S.TO_BE_COPIED, "source 'primary' does not have it yet"),
        (
            {"source_state": S.BAD, "source_reason": "changed after adoption: size 10 -> 12"},
            BLOCKED,
            S.TO_BE_COPIED,
            "bad on its source: changed after adoption: size 10 -> 12",
        ),
        ({"source_state": S.BAD}, BLOCKED, S.TO_BE_COPIED, "bad on its source"),
        (
            {"source_state": S.AGED, "state": S.TO_BE_COPIED},
            SKIPPED,
            S.DO_NOT_COPY,
            "aged off its source 'primary'",
        ),
        (
            {"source_state": S.DO_NOT_COPY, "source_reason": "not chosen: weekly"},
            SKIPPED,
            S.DO_NOT_COPY,
            "source 'primary' does not take it: not chosen: weekly",
        ),
        (
            {"decision": "do_not_copy", "decided_by": "anna", "decided_at": at("2026-03-01 10:05")},
            SKIPPED,
            S.DO_NOT_COPY,
            "do not copy: decided by anna on 2026-03-01 10:05 UTC",
        ),
        (
            {"decision": "do_not_copy"},
            SKIPPED,
            S.DO_NOT_COPY,
            "do not copy: decided by an operator",
        ),
        (
            {"decision": "bad", "state": S.AVAILABLE, "decided_by": "anna"},
            SKIPPED,
            S.BAD,
            "marked bad: decided by anna",
        ),
        (
            {"state": S.BAD, "reason": "chunk 3 is damaged"},
            BLOCKED,
            S.BAD,
            "bad on this copy: chunk 3 is damaged",
        ),
        (
            {"state": S.AGED, "decision": "picked", "decided_by": "anna"},
            TAKEN,
            S.AGED,
            "picked: decided by anna",
        ),
        (
            {"state": S.BAD, "decision": "recopy", "decided_by": "anna"},
            TAKEN,
            S.BAD,
            "to be copied again: decided by anna",
        ),
        (
            {"state": S.AVAILABLE, "decision": "recopy", "source_state": S.BAD},
            BLOCKED,
            S.AVAILABLE,
            "bad on its source",
        ),
    ],
)
def test_synchronous_copy(facts, verdict, state, reason):
    assert said(synchronous(), line(**facts)) == (verdict, state, reason)


def test_reason_of_an_earlier_plan_is_not_repeated():
    reason = "bad on this copy: chunk 3 is damaged"

    assert judged(synchronous(), line(state=S.BAD, reason=reason)).reason == reason


def test_what_is_blocked_says_what_to_do():
    for facts in ({"source_state": S.BAD}, {"state": S.BAD}):
        assert judged(synchronous(), line(**facts)).next_step


@pytest.mark.parametrize("facts", [{"state": S.BAD}, {"state": S.AVAILABLE, "decision": "bad"}])
def test_what_is_bad_on_a_worm_copy_is_repaired_for_recopy_is_refused_there(facts):
    assert judged(synchronous(), line(**facts)).next_step.startswith("re-copy it")
    assert judged(synchronous(worm=True), line(**facts)).next_step.startswith("repair it")


def test_inactive_copy_gets_nothing():
    inactive = synchronous(active=False)

    assert said(inactive, line()) == (SKIPPED, S.DO_NOT_COPY, "copy is not active")
    assert said(inactive, line(decision="picked"))[2] == "copy is not active"
    assert judged(inactive, line(state=S.PARTIALLY_COPIED)).state is S.PARTIALLY_COPIED
    assert judged(inactive, line(state=S.AVAILABLE)).reason == "already there"
    assert judged(inactive, line(state=S.AGED)).state is S.AGED


def test_older_than_the_date_of_the_copy():
    copy = synchronous(on_and_after=datetime(2026, 1, 1, tzinfo=UTC))

    assert said(copy, line(completed_at=at("2025-12-31 23:59"))) == (
        SKIPPED,
        S.DO_NOT_COPY,
        "older than the copy's date 2026-01-01",
    )
    assert judged(copy, line(completed_at=at("2026-01-01 00:00"))).verdict is TAKEN


def test_other_subclients_are_left_out():
    copy = synchronous(subclients=frozenset({"db1/pg"}))

    assert judged(copy, line()).verdict is TAKEN
    assert said(copy, line(subclient="db1/www")) == (
        SKIPPED,
        S.DO_NOT_COPY,
        "subclient not among those of this copy",
    )


def test_deferral_counts_from_availability_on_the_source():
    copy = synchronous(defer_s=7 * DAY)
    came = at("2026-03-04 10:00")

    waiting = line(completed_at=came - 30 * DAY, source_available_at=came)

    assert said(copy, waiting) == (
        SKIPPED,
        S.DEFERRED,
        "not eligible before 2026-03-11 10:00 UTC (deferred 7 days from its availability on primary)",
    )
    assert judged(copy, line(source_available_at=NOW - 7 * DAY)).verdict is TAKEN
    assert judged(copy, line(source_available_at=NOW - 7 * DAY + 1)).verdict is SKIPPED
    assert "12:00" not in judged(copy, waiting, zone="Europe/Berlin").reason
    assert "2026-03-11 11:00" in judged(copy, waiting, zone="Europe/Berlin").reason


@pytest.mark.parametrize(
    ("defer_s", "words"),
    [(DAY, "1 day"), (36 * 3600, "36 hours"), (90 * 60, "90 minutes"), (61, "61 seconds")],
)
def test_deferral_in_words(defer_s, words):
    assert (
        f"(deferred {words} from"
        in judged(synchronous(defer_s=defer_s), line(source_available_at=NOW)).reason
    )


def test_decisions_win_over_rules_and_deferral():
    copy = selective("manual", defer_s=DAY, on_and_after=datetime(2026, 3, 9, tzinfo=UTC))
    one = line(source_available_at=NOW, level="incremental")

    assert judged(copy, one).verdict is SKIPPED
    assert judged(copy, one._replace(decision="picked")).verdict is TAKEN
    assert judged(copy, one._replace(decision="picked", source_state=None)).verdict is SKIPPED


def test_picked_and_copied_is_not_taken_again():
    copied = line(state=S.AVAILABLE, decision="picked", available_at=NOW - DAY)

    assert judged(synchronous(), copied).verdict is SKIPPED


@pytest.mark.parametrize("state", [S.AVAILABLE, S.AGED, S.BAD])
def test_copy_again_holds_until_it_was_copied_again(state):
    asked = line(state=state, decision="recopy", decided_at=NOW - DAY, available_at=NOW - 2 * DAY)

    assert judged(synchronous(), asked).verdict is TAKEN
    assert judged(synchronous(), asked._replace(available_at=NOW)).verdict is not TAKEN


def test_failed_verification_is_skipped_only_as_asked():
    failed = line(source_verification="failed")

    assert judged(synchronous(), failed).verdict is TAKEN
    assert said(synchronous(), failed, skip_failed_verification=True) == (
        SKIPPED,
        S.TO_BE_COPIED,
        "failed data verification on its source (skipped as asked)",
    )
    assert judged(synchronous(), line(), skip_failed_verification=True).verdict is TAKEN


def test_what_failed_verification_is_bad_and_skipped_as_asked():
    """Verification makes the job copy bad: that must not turn the wish to skip it into an error."""
    failed = line(source_state=S.BAD, source_verification="failed")
    marked = line(source_state=S.BAD, source_verification="good")

    assert judged(synchronous(), failed).verdict is BLOCKED
    assert judged(synchronous(), failed, skip_failed_verification=True).verdict is SKIPPED
    assert judged(synchronous(), marked, skip_failed_verification=True).verdict is BLOCKED


def test_three_tries_in_the_space_optimised_order():
    tried = line(tries=3, state=S.TO_BE_COPIED)

    assert judged(synchronous(), tried).verdict is TAKEN
    assert said(synchronous(), tried, fulls_first=True) == (
        BLOCKED,
        S.TO_BE_COPIED,
        "left out after 3 failed tries",
    )
    assert judged(synchronous(), tried._replace(tries=2), fulls_first=True).verdict is TAKEN
    assert (
        judged(synchronous(), tried._replace(decision="recopy"), fulls_first=True).verdict is TAKEN
    )


def plan(policy, lines_by_copy, **options):
    return build_plan(policy, lines_by_copy, now=NOW, options=RunOptions(**options))


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


AGE = encoding_of("none", ("age1abc",))
ZSTD = encoding_of("zstd", ())


@pytest.mark.parametrize("encoding", [PLAIN, ZSTD, encoding_of("zstd", ("age1other",))])
def test_another_encoding_of_what_is_encrypted_waits_for_a_key(encoding):
    encrypted = line(source_encoding=AGE.text)
    keys = Keys(lambda encoding: encoding == AGE, "")

    blocked = judged(synchronous(encoding=encoding), encrypted)

    assert blocked.verdict is BLOCKED
    assert blocked.state is S.TO_BE_COPIED
    assert "a key must open it" in blocked.reason
    assert "identity file" in blocked.next_step
    assert judged(synchronous(encoding=encoding), encrypted, keys=keys).verdict is TAKEN


def test_the_same_encoding_and_every_other_source_need_no_key():
    taken = [
        judged(synchronous(encoding=AGE), line(source_encoding=AGE.text)),
        judged(synchronous(encoding=AGE), line(source_encoding=ZSTD.text)),
        judged(synchronous(encoding=AGE), line()),
        judged(synchronous(), line(source_encoding=ZSTD.text)),
    ]

    assert {verdict.verdict for verdict in taken} == {TAKEN}


def test_backups_that_were_still_running_are_left_out_unless_they_are_asked_for():
    before, after = line(1, completed_at=NOW - 60), line(2, completed_at=NOW - 10)
    picked = line(3, completed_at=NOW - 10, decision="picked", decided_at=NOW - 5)

    verdicts = plan_copy(
        synchronous(), [before, after, picked], now=NOW, options=RunOptions(), completed_by=NOW - 30
    )

    assert [one.verdict for one in verdicts] == [Verdict.TAKEN, Verdict.SKIPPED, Verdict.TAKEN]
    assert "still being backed up" in verdicts[1].reason
    assert verdicts[1].state is S.TO_BE_COPIED
