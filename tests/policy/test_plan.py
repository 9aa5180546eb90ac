from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.model.encoding import PLAIN, encoding_of
from engine.model.states import JobCopyState as S
from engine.policy.plan import plan_copy
from engine.policy.values import NO_KEYS, Keys, RunOptions
from tests.policy.lines import BLOCKED, DAY, NOW, SKIPPED, TAKEN, at, line, selective, synchronous


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

    assert [one.verdict for one in verdicts] == [TAKEN, SKIPPED, TAKEN]
    assert "still being backed up" in verdicts[1].reason
    assert verdicts[1].state is S.TO_BE_COPIED
