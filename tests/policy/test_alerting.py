from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.policy.alerting import (
    CLEARED_BY,
    GIVE_UP_AFTER,
    RAISED_BY,
    AlertKind,
    letter_of,
    next_try,
    room_at,
    rule_from,
)
from engine.policy.destinations import DestinationKind, destination_from
from engine.policy.silence import nothing_done, shrunk, silence_of

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
HOUR, DAY = 3_600, 86_400
MIB = 1 << 20


def test_every_alarm_that_is_raised_can_clear():
    of_other_means = {AlertKind.MISSED, AlertKind.DAMAGED, AlertKind.FUSE}  # by what they are about
    cleared = {kind for kinds in CLEARED_BY.values() for kind in kinds} | of_other_means

    assert set(RAISED_BY.values()) <= cleared


def test_all_is_everything_but_success():
    every = rule_from("a", ["all"], "https://h/x", {})
    with_success = rule_from("a", ["all", "succeeded"], "https://h/x", {})

    assert every.kinds == {kind.value for kind in AlertKind} - {"succeeded"}
    assert with_success.kinds == {kind.value for kind in AlertKind}


def test_thresholds_and_policies():
    rule = rule_from(
        "a",
        ["failed-attempts", "delayed", "failed"],
        "https://h/x",
        {"attempts": 2, "delay_s": HOUR, "policies": ["databases"]},
    )

    assert rule.wants("failed", policy="databases")
    assert not rule.wants("failed", policy="mail")
    assert not rule.wants("failed")
    assert not rule.wants("succeeded", policy="databases")
    assert [rule.wants("failed-attempts", measure=n, policy="databases") for n in (1, 2)] == [
        False,
        True,
    ]
    assert [rule.wants("delayed", measure=s, policy="databases") for s in (HOUR - 1, HOUR)] == [
        False,
        True,
    ]


@given(st.integers(1, 500))
def test_tries_back_off_and_end(tries):
    later = next_try(tries, NOW, NOW)

    assert later is not None
    assert timedelta(seconds=30) <= later - NOW <= timedelta(hours=1)
    assert next_try(tries, NOW + GIVE_UP_AFTER, NOW) is None


@given(st.lists(st.integers(0, 7_200), max_size=60), st.integers(1, 30))
def test_no_hour_has_more_deliveries_than_allowed(ago, per_hour):
    sent: list[datetime] = []
    at = NOW
    for seconds in sorted(ago):
        at = room_at(sent, per_hour, max(at, NOW + timedelta(seconds=seconds)))
        sent.append(at)

    for first, last in zip(sent, sent[per_hour:], strict=False):
        assert last - first >= timedelta(hours=1)


def message(number=1, **columns):
    return {
        "step": "raised",
        "kind": "failed",
        "severity": "error",
        "about": f"auxcopy of p{number}",
        "message": f"failed: reason {number}",
        "hint": "do it",
        "job_id": number,
        "policy": "p",
        "at": "2026-03-09T12:00:00+00:00",
    } | columns


def test_one_message_is_one_letter():
    letter = letter_of("hq", "mail", [message()], message_id="x", zone="Europe/Berlin")

    assert letter.subject == "[hq] failed: auxcopy of p1"
    assert "failed: reason 1" in letter.text
    assert "-> do it" in letter.text
    assert "at 2026-03-09 13:00 Europe/Berlin, job 1" in letter.text
    assert letter.document["messages"][0]["about"] == "auxcopy of p1"
    assert not letter.is_well


def test_a_storm_is_one_letter_that_says_how_many():
    letter = letter_of(
        "hq", "mail", [message(n) for n in range(300)], message_id="x", zone="Europe/Berlin"
    )

    assert letter.subject.startswith("[hq] 300 alerts: ")
    assert "and 250 more" in letter.text
    assert len(letter.document["messages"]) == 300


def test_a_hostile_name_does_not_reach_the_head_of_a_mail():
    letter = letter_of(
        "hq", "m", [message(about="a\nBcc: x@y\x1b[2J")], message_id="x", zone="Europe/Berlin"
    )

    assert "\n" not in letter.subject
    assert "\x1b" not in letter.subject


def test_cleared_and_success_are_good_news():
    cleared = message(step="cleared")
    success = message(kind="succeeded", step="told")

    assert letter_of("hq", "m", [cleared, success], message_id="x", zone="Europe/Berlin").is_well
    assert not letter_of(
        "hq", "m", [cleared, message()], message_id="x", zone="Europe/Berlin"
    ).is_well


@pytest.mark.parametrize(
    ("to", "kind", "label"),
    [
        (
            "smtp://m:2525/?to=a@b.c&to=d@e.f",
            DestinationKind.MAIL,
            "mail to a@b.c, d@e.f by m:2525",
        ),
        ("smtps://m/?to=a@b.c", DestinationKind.MAIL, "mail to a@b.c by m:465"),
        ("https://h/hook?key=secret", DestinationKind.WEBHOOK, "webhook h"),
        ("http://localhost:9/hook", DestinationKind.WEBHOOK, "webhook localhost"),
        ("healthcheck+https://h/uuid", DestinationKind.HEALTHCHECK, "healthcheck h"),
        ("exec:/bin/notify", DestinationKind.PROGRAM, "program /bin/notify"),
        ("file:/etc/hook", DestinationKind.FILE, "the URL in /etc/hook"),
    ],
)
def test_destinations(to, kind, label):
    found = destination_from(to, {})

    assert (found.kind, found.label) == (kind, label)


@pytest.mark.parametrize(
    ("to", "options", "words"),
    [
        ("ftp://h/x", {}, "no destination"),
        ("https://u:p@h/x", {}, "must not stand here"),
        ("http://example.org/x", {}, "open line"),
        ("healthcheck+http://example.org/x", {}, "open line"),
        ("https://h/a b", {}, "no spaces"),
        ("smtp://h:25", {}, "no recipient"),
        ("smtp://h/?to=a@b%0d%0aBcc:x", {}, "no address"),
        ("smtp://h/?to=a@b", {"user": "u", "password_file": "/p"}, "open line"),
        ("smtp://h/?to=a@b", {"user": "u", "tls": "starttls"}, "go together"),
        ("exec:notify", {}, "absolute path"),
        ("exec:/bin/sh?x", {}, "absolute path"),
        ("file:hook", {}, "absolute path"),
        ("https://[", {}, "not a URL"),
    ],
)
def test_what_is_no_destination(to, options, words):
    with pytest.raises(UsageError) as caught:
        destination_from(to, options)

    assert words in caught.value.message


def days(*at):
    return [day * DAY for day in at]


def test_silence_is_longer_than_any_pause_before():
    nightly = days(*range(10))

    assert silence_of(nightly, now=10.1 * DAY) == ""
    assert silence_of(nightly, now=10.5 * DAY) == (
        "no backup job for 1 d 12 h; until now there was none for at most 1 d"
    )


def test_a_weekend_is_no_silence():
    weekdays = days(*(week * 7 + day for week in range(3) for day in range(5)))

    assert silence_of(weekdays, now=21 * DAY + HOUR) == ""
    assert silence_of(weekdays, now=23 * DAY) != ""


def test_many_backup_jobs_of_one_night_are_one_occasion():
    nights = [night * DAY + 60 * n for night in range(6) for n in range(50)]

    assert silence_of(nights, now=6 * DAY + 3 * HOUR) == ""
    assert silence_of(nights, now=7 * DAY) != ""


def test_what_comes_all_day_long_is_missed_within_hours():
    flow = [600.0 * n for n in range(400)]

    assert silence_of(flow, now=flow[-1] + HOUR) == ""
    assert silence_of(flow, now=flow[-1] + 3 * HOUR) != ""


def test_too_little_past_says_nothing():
    assert silence_of([], now=DAY) == ""
    assert silence_of(days(0, 1, 2), now=99 * DAY) == ""


@pytest.mark.parametrize(
    ("done", "before", "why"),
    [
        (0, [5 * MIB, 5 * MIB, 5 * MIB], "it did nothing; usually it does about 5.0 MiB"),
        (10, [5 * MIB, 5 * MIB, 5 * MIB], "it did only 10 B; usually it does about 5.0 MiB"),
        (MIB, [5 * MIB, 5 * MIB, 5 * MIB], ""),
        (0, [5 * MIB, 5 * MIB], ""),
        (0, [0, 0, 0, 0, 0, 0], ""),
        (0, [5 * MIB, 0, 0, 5 * MIB, 0, 0, 0, 5 * MIB], ""),
    ],
)
def test_nothing_done(done, before, why):
    assert nothing_done(done, before) == why


@pytest.mark.parametrize(
    ("size", "before", "is_small"),
    [
        (4 * MIB, [10 * MIB] * 3, True),
        (6 * MIB, [10 * MIB] * 3, False),
        (0, [10 * MIB] * 2, False),
        (0, [1000] * 5, False),
        (90 * MIB, [100 * MIB, 10 * MIB, 100 * MIB], False),
    ],
)
def test_shrunk(size, before, is_small):
    assert bool(shrunk(size, before)) is is_small
