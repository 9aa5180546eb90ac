from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.policy.durations import (
    MAX_BYTES,
    MAX_DURATION_S,
    format_about,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("6h", 21_600),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
        ("7y", 7 * 31_536_000),
        ("1d12h", 129_600),
        ("0d", 0),
        (" 5m ", 300),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "m",
        "-5m",
        "5 m",
        "5M",
        "1.5h",
        "5min",
        "12h1d",
        "1d1d",
        "٥m",
        "1001y",
        "9" * 30 + "s",
    ],
)
def test_what_is_no_duration_says_what_is(text):
    with pytest.raises(UsageError) as caught:
        parse_duration(text)

    assert "5m" in caught.value.hint


@given(st.integers(0, MAX_DURATION_S))
def test_duration_comes_back(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["5m", "6h", "30d", "7y", "1d12h", "90d", "0s"])
def test_duration_text_comes_back(text):
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("64KiB", 65_536),
        ("1.5GB", 1_500_000_000),
        ("1.5 GiB", 1_610_612_736),
        ("25TB", 25 * 10**12),
        ("7kB", 7_000),
        ("2PiB", 2 * 2**50),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "GB",
        "-1GB",
        "1,5GB",
        "5gb",
        "5Mb",
        "0.1B",
        "1.5kib",
        "5 GB/s",
        "9999999TB",
        "1e3MB",
    ],
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError):
        parse_size(text)


@given(st.integers(0, MAX_BYTES))
def test_size_comes_back(size):
    assert parse_size(format_size(size, exact=True)) == size


@given(st.integers(1, MAX_BYTES))
def test_rate_comes_back(rate):
    assert parse_rate(format_rate(rate, exact=True)) == rate


def test_rates():
    assert parse_rate("200MiB/s") == parse_rate("200MiB") == 200 * 2**20
    assert format_rate(200 * 2**20, exact=True) == "200MiB/s"
    assert format_rate(85.4 * 2**20) == "85 MiB/s"
    with pytest.raises(UsageError, match="would never copy anything"):
        parse_rate("0MB/s")
    with pytest.raises(UsageError, match="'fast' is not a rate"):
        parse_rate("fast")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10_209, "10 KiB"),
        (1_048_535, "1.0 MiB"),
        (25 * 10**12, "23 TiB"),
        (1_288_490_189, "1.2 GiB"),
    ],
)
def test_sizes_for_people(size, text):
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (45, "45 s"),
        (60, "1 min"),
        (7_800, "2 h 10 min"),
        (367_200, "4 d 6 h"),
        (40 * 31_536_000, "40 y"),
    ],
)
def test_durations_for_people(seconds, text):
    assert format_about(seconds) == text


def test_hostile_text_reaches_no_terminal():
    with pytest.raises(UsageError) as caught:
        parse_size("\x1b]0;owned\x07")

    assert "\x1b" not in caught.value.message
