from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.streams import StreamLimits, number_of_streams, stream_limits


@pytest.mark.parametrize(
    ("limits", "streams", "limited_by"),
    [
        ({"backup_jobs": 3}, 3, "3 backup jobs to copy"),
        ({"backup_jobs": 1}, 1, "1 backup job to copy"),
        ({}, 0, "nothing to copy"),
        ({"backup_jobs": 1, "bytes_to_copy": 10 * 2**30}, 320, "320 chunks to copy"),
        ({"backup_jobs": 1, "chunks": 5}, 5, "5 chunks to copy"),
        ({"backup_jobs": 5, "chunks": 5}, 5, "5 backup jobs to copy"),
        ({"backup_jobs": 99, "asked": 2}, 2, "asked for: 2"),
        ({"backup_jobs": 99, "media_agents": {"a": 4}}, 4, "MediaAgent a: 4 streams"),
        ({"backup_jobs": 99, "media_agents": {"b": 1, "a": 4}}, 5, "MediaAgents a, b: 5 streams"),
        ({"backup_jobs": 99, "libraries": {"v": 1, "w": 9}}, 1, "library v: 1 writer"),
        ({"backup_jobs": 99, "source_libraries": {"s": 2}}, 2, "source library s: 2 readers"),
        ({"backup_jobs": 99, "media_agents": {"a": 0}}, 0, "MediaAgent a: 0 streams"),
    ],
)
def test_least_limit_is_named(limits, streams, limited_by):
    assert number_of_streams(StreamLimits(**limits)) == (streams, limited_by)


def test_among_equal_limits_what_can_be_changed_first():
    limits = StreamLimits(asked=4, media_agents={"a": 4}, libraries={"v": 4}, backup_jobs=4)

    assert number_of_streams(limits).limited_by == "asked for: 4"
    assert [limit.what for limit in stream_limits(limits)] == [
        "asked for: 4",
        "MediaAgent a: 4 streams",
        "library v: 4 writers",
        "4 backup jobs to copy",
    ]


@given(
    st.builds(
        StreamLimits,
        asked=st.none() | st.integers(1, 64),
        media_agents=st.dictionaries(st.sampled_from("abc"), st.integers(0, 16)),
        libraries=st.dictionaries(st.sampled_from("xyz"), st.integers(0, 16)),
        backup_jobs=st.integers(0, 100),
        bytes_to_copy=st.integers(0, 2**40),
    )
)
def test_no_limit_is_exceeded(limits):
    streams, limited_by = number_of_streams(limits)

    assert all(streams <= limit.streams for limit in stream_limits(limits))
    assert (streams, limited_by) in stream_limits(limits)
