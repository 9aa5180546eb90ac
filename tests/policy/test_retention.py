from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.model.states import JobCopyState as S
from engine.policy.periods import PERIOD_WORD
from engine.policy.plan import build_plan
from engine.policy.retention import (
    EXTENDED_RULES,
    FOR_EVER,
    ExtendedRule,
    HeldJob,
    RetentionRules,
    owed_by_plan,
    refuse_early_deletion,
    refuse_shorter,
    released,
    retention,
)
from engine.policy.values import RunOptions
from tests.policy.lines import DAY, NOW, PRIMARY, at, line, synchronous

MONTH = RetentionRules(retain_s=30 * DAY)
TWO_CYCLES = RetentionRules(retain_s=30 * DAY, retain_cycles=2)


def held(job=1, age_days=0.0, *, cycle=None, level="full", **changes) -> HeldJob:
    return HeldJob(
        job,
        changes.pop("subclient", "db1/pg"),
        level,
        NOW - age_days * DAY,
        cycle or job,
        **changes,
    )


def said(jobs, rules, **options):
    return {
        v.backup_job_id: (v.may_age, v.reason) for v in retention(jobs, rules, now=NOW, **options)
    }


def aged(jobs, rules, now=NOW, **options):
    return [v.backup_job_id for v in retention(jobs, rules, now=now, **options) if v.may_age]


def test_days_are_counted_from_completion():
    assert said([held(1, 30), held(2, 29.5)], MONTH) == {
        1: (True, "older than 30d"),
        2: (False, "kept until 2026-03-11 00:00 UTC (30d)"),
    }


def test_for_ever():
    assert said([held(1, 9_999)], RetentionRules()) == {1: (False, "kept for ever")}


def test_days_and_cycles_must_both_be_exceeded():
    jobs = [held(cycle, 100 - cycle) for cycle in (1, 2, 3)]

    assert said(jobs, TWO_CYCLES) == {
        1: (True, "older than 30d and than the last 2 good cycles"),
        2: (False, "kept: not older than the last 2 good cycles"),
        3: (False, "kept: not older than the last 2 good cycles"),
    }
    assert aged([held(cycle, 10) for cycle in (1, 2, 3)], TWO_CYCLES) == []


def test_fewer_cycles_than_wanted_keep_all():
    assert aged([held(1, 100), held(2, 99)], RetentionRules(retain_s=DAY, retain_cycles=3)) == []


@pytest.mark.parametrize("damage", [{"state": S.BAD}, {"verification": "failed"}])
def test_damaged_cycles_do_not_count(damage):
    jobs = [held(1, 100), held(2, 99), held(3, 98, **damage)]

    assert aged(jobs, TWO_CYCLES) == []


def test_cycles_are_those_of_a_subclient():
    jobs = [held(1, 100), held(2, 99, subclient="db2/pg"), held(3, 98, subclient="db2/pg")]

    assert aged(jobs, RetentionRules(retain_s=DAY, retain_cycles=1)) == [2]


def test_a_cycle_goes_together():
    jobs = [
        held(1, 40, cycle=1),
        held(2, 35, cycle=1, level="incremental"),
        held(3, 29, cycle=1, level="incremental"),
        held(4, 20, cycle=2),
    ]

    verdicts = said(jobs, MONTH)

    assert [may for may, _ in verdicts.values()] == [False] * 4
    assert verdicts[1][1] == verdicts[2][1] == "its cycle is kept with backup job 3"
    assert aged(jobs, MONTH, now=NOW + 2 * DAY) == [1, 2, 3]


def test_a_full_stays_without_its_incrementals_under_an_extended_rule():
    rules = RetentionRules(retain_s=30 * DAY, extended=(ExtendedRule("monthly", 365 * DAY),))
    jobs = [held(1, 100), held(2, 99, cycle=1, level="incremental"), held(3, 95)]

    verdicts = said(jobs, rules)

    assert verdicts[1] == (False, "monthly full, kept until 2026-11-30 12:00 UTC (1y)")
    assert verdicts[2][0]
    assert not verdicts[3][0]


def test_one_full_of_each_period():
    rules = RetentionRules(retain_s=DAY, extended=(ExtendedRule("monthly", 3650 * DAY),))
    jobs = [
        HeldJob(number, "a/x", "full", at(time), number)
        for number, time in enumerate(("2025-01-02", "2025-01-20", "2025-02-03", "2025-02-28"), 1)
    ]
    last = RetentionRules(retain_s=DAY, extended=rules.extended, take="last")

    assert aged(jobs, rules) == [2, 4]
    assert aged(jobs, last) == [1, 3]
    assert aged([jobs[0]._replace(verification="failed"), *jobs[1:]], rules) == [1, 4]


def test_the_longest_extended_rule_counts():
    rules = RetentionRules(
        retain_s=DAY,
        extended=(ExtendedRule("all-fulls", 60 * DAY), ExtendedRule("yearly", 365 * DAY)),
    )

    (first, second) = retention([held(1, 50), held(2, 49)], rules, now=NOW)

    assert first.retained_by == "yearly"
    assert second.retained_by == "all-fulls"
    assert second.retain_until == NOW + 11 * DAY


def test_pins():
    until = at("2027-01-01 10:00")
    jobs = [
        held(1, 100, pinned_until=FOR_EVER, pinned_by="anna"),
        held(2, 100, pinned_until=until, pinned_by="anna"),
        held(3, 100, pinned_until=NOW),
    ]

    assert said(jobs, MONTH) == {
        1: (False, "kept for good by anna"),
        2: (False, "kept by anna until 2027-01-01 10:00 UTC"),
        3: (True, "older than 30d"),
    }


def test_a_pinned_incremental_keeps_its_full():
    jobs = [held(1, 100, cycle=1), held(2, 99, cycle=1, level="incremental", pinned_until=FOR_EVER)]

    assert aged(jobs, MONTH) == []


def test_interlock_names_the_copy():
    (verdict,) = retention([held(1, 100)], MONTH, now=NOW, owed_to={1: ["offsite", "vault"]})

    assert not verdict.may_age
    assert verdict.reason == "kept until copies 'offsite', 'vault' have it"
    assert verdict.retained_by == "copy offsite"


def test_an_operator_can_release_the_interlock():
    owed = {1: ["offsite"], 2: ["offsite"]}

    assert aged([held(1, 100), held(2, 100)], MONTH, owed_to=released(owed, [1])) == [1]


def test_last_good_one_of_what_another_copy_keeps():
    assert said([held(1, 100)], MONTH, last_good={1: "vault"}) == {
        1: (False, "the last good one: copy 'vault' keeps it and has it damaged")
    }


def test_what_an_active_copy_waits_for():
    copies = [
        PRIMARY,
        synchronous(2),
        synchronous(3, "far", source_copy_id=2),
        synchronous(4, "off", active=False),
    ]
    lines = {
        2: [line(1), line(2, state=S.AVAILABLE), line(3, source_available_at=NOW)],
        3: [line(1, source_state=None), line(2), line(3)],
        4: [line(1), line(2), line(3)],
    }
    copies[1] = synchronous(2, defer_s=DAY)

    plan = build_plan(copies, lines, now=NOW, options=RunOptions())

    assert owed_by_plan(copies, plan.lines, 1) == {1: ["offsite"], 3: ["offsite"]}
    assert owed_by_plan(copies, plan.lines, 2) == {1: ["far"], 2: ["far"], 3: ["far"]}


def test_an_inactive_copy_holds_nothing_back():
    off = synchronous(2, active=False)
    begun = [line(1, state=S.PARTIALLY_COPIED)]

    plan = build_plan([PRIMARY, off], {2: begun}, now=NOW, options=RunOptions(copies=("offsite",)))

    assert owed_by_plan([PRIMARY, off], plan.lines, 1) == {}


def test_unknown_extended_rule_is_refused():
    rules = RetentionRules(retain_s=DAY, extended=(ExtendedRule("fortnightly", DAY),))

    with pytest.raises(UsageError, match="'fortnightly' is no rule"):
        retention([held(1, 100)], rules, now=NOW)


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (RetentionRules(retain_s=29 * DAY, retain_cycles=2, worm=True), "days from 30d to 29d"),
        (RetentionRules(retain_s=30 * DAY, retain_cycles=1, worm=True), "cycles from 2 to 1"),
        (RetentionRules(retain_s=30 * DAY, retain_cycles=2), "WORM itself"),
        (
            RetentionRules(
                retain_s=30 * DAY,
                retain_cycles=2,
                worm=True,
                extended=(ExtendedRule("yearly", DAY),),
            ),
            "the extended rule yearly",
        ),
    ],
)
def test_retention_of_worm_is_never_lowered(new, what):
    old = RetentionRules(
        retain_s=30 * DAY, retain_cycles=2, worm=True, extended=(ExtendedRule("yearly", 2 * DAY),)
    )

    with pytest.raises(UsageError) as caught:
        refuse_shorter("vault", old, new)

    assert what in caught.value.message


def test_retention_of_worm_can_be_raised():
    old = RetentionRules(retain_s=30 * DAY, worm=True)

    refuse_shorter("vault", old, RetentionRules(retain_s=None, retain_cycles=1, worm=True))
    refuse_shorter("vault", RetentionRules(retain_s=30 * DAY), RetentionRules(retain_s=DAY))
    with pytest.raises(UsageError, match="for ever"):
        refuse_shorter("vault", RetentionRules(worm=True), RetentionRules(retain_s=DAY, worm=True))


def test_worm_refuses_early_deletion():
    worm = RetentionRules(retain_s=30 * DAY, worm=True)
    young, old = retention([held(1, 1), held(2, 100)], worm, now=NOW)

    refuse_early_deletion("vault", worm, old)
    refuse_early_deletion("vault", MONTH, young)
    with pytest.raises(UsageError, match="backup job 1 cannot be deleted from WORM copy 'vault'"):
        refuse_early_deletion("vault", worm, young)


@st.composite
def histories(draw):
    """Cycles of several subclients: fulls and the incrementals after them, some damaged or pinned."""
    jobs: list[HeldJob] = []
    for subclient in ("a/x", "b/y"):
        age = draw(st.integers(1, 400))
        for cycle in range(1, draw(st.integers(0, 6)) + 1):
            for place in range(draw(st.integers(1, 4))):
                age = max(0, age - draw(st.integers(0, 40)))
                jobs.append(
                    HeldJob(
                        len(jobs) + 1,
                        subclient,
                        "incremental" if place else "full",
                        NOW - age * DAY,
                        cycle,
                        draw(st.sampled_from([S.AVAILABLE, S.AVAILABLE, S.BAD])),
                        draw(st.sampled_from(["never", "good", "failed"])),
                        0,
                        draw(st.sampled_from([None, None, None, NOW - DAY, NOW + DAY, FOR_EVER])),
                    )
                )
    return jobs


RULES = st.builds(
    RetentionRules,
    retain_s=st.none() | st.integers(0, 200).map(lambda days: days * DAY),
    retain_cycles=st.integers(0, 4),
    extended=st.lists(
        st.builds(ExtendedRule, st.sampled_from(EXTENDED_RULES), st.integers(1, 500 * DAY)),
        max_size=3,
    ).map(tuple),
    take=st.sampled_from(["first", "last"]),
)


def owed_of(jobs):
    return st.dictionaries(
        st.sampled_from([job.backup_job_id for job in jobs] or [0]),
        st.just(["offsite"]),
        max_size=3,
    )


@settings(max_examples=120)
@given(jobs=histories(), rules=RULES, data=st.data())
def test_laws_of_aging(jobs, rules, data):
    owed = data.draw(owed_of(jobs))
    verdicts = retention(jobs, rules, now=NOW, owed_to=owed)
    going = {v.backup_job_id for v in verdicts if v.may_age}

    assert [v.backup_job_id for v in verdicts] == [job.backup_job_id for job in jobs]
    for job, verdict in zip(jobs, verdicts, strict=True):
        assert bool(verdict.retained_by) != verdict.may_age
        if not verdict.may_age:
            assert verdict.retain_until is None or verdict.retain_until > NOW
            continue
        assert rules.retain_s is not None
        assert job.completed_at + rules.retain_s <= NOW
        assert job.backup_job_id not in owed
        assert job.pinned_until is None or job.pinned_until <= NOW
        newer = {
            other.cycle
            for other in jobs
            if other.subclient == job.subclient
            and other.cycle > job.cycle
            and other.level == "full"
            and other.state is S.AVAILABLE
            and other.verification != "failed"
        }
        assert len(newer) >= rules.retain_cycles
        cycle = [o for o in jobs if (o.subclient, o.cycle) == (job.subclient, job.cycle)]
        assert all(o.backup_job_id in going for o in cycle if o.level != "full")


@settings(max_examples=80)
@given(jobs=histories(), rules=RULES)
def test_cycles_that_are_wanted_stay_restorable(jobs, rules):
    """After aging the newest good cycles are there with all their backup jobs."""
    left = set(range(1, len(jobs) + 1)) - set(aged(jobs, rules))
    for subclient in ("a/x", "b/y"):
        good = sorted(
            job.cycle
            for job in jobs
            if job.subclient == subclient
            and job.level == "full"
            and job.state is S.AVAILABLE
            and job.verification != "failed"
        )
        for cycle in good[len(good) - rules.retain_cycles :] if rules.retain_cycles else []:
            wanted = {j.backup_job_id for j in jobs if (j.subclient, j.cycle) == (subclient, cycle)}
            assert wanted <= left


@settings(max_examples=80)
@given(jobs=histories(), rules=RULES)
def test_aging_again_ages_nothing_more(jobs, rules):
    gone = set(aged(jobs, rules))

    assert aged([job for job in jobs if job.backup_job_id not in gone], rules) == []


@settings(max_examples=80)
@given(jobs=histories(), rules=RULES, later=st.integers(0, 500))
def test_what_may_go_may_go_later_too(jobs, rules, later):
    assert set(aged(jobs, rules)) <= set(aged(jobs, rules, now=NOW + later * DAY))


def test_extended_rules_are_those_of_selection():
    assert set(EXTENDED_RULES) == {"all-fulls", *PERIOD_WORD}
