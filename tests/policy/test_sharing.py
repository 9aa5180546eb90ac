"""Streams are shared, never more than there are, by priority first."""

from hypothesis import given
from hypothesis import strategies as st

from engine.policy.sharing import Claim, share_streams

RESOURCES = st.frozensets(st.sampled_from(["agent", "vault", "shelf"]), min_size=1)
CLAIMS = st.lists(
    st.builds(
        Claim,
        job_id=st.integers(1, 50),
        priority=st.integers(0, 9),
        wanted=st.integers(1, 9),
        resources=RESOURCES,
    ),
    unique_by=lambda claim: claim.job_id,
    max_size=8,
)
LIMITS = st.fixed_dictionaries(
    {"agent": st.integers(0, 8), "vault": st.integers(0, 8), "shelf": st.integers(0, 8)}
)


@given(CLAIMS, LIMITS)
def test_no_limit_is_exceeded_and_nothing_is_left_that_someone_could_use(claims, limits):
    shares = share_streams(claims, limits)

    used = {
        name: sum(shares[c.key].streams for c in claims if name in c.resources) for name in limits
    }
    assert all(used[name] <= limits[name] for name in limits)
    for claim in claims:
        share = shares[claim.key]
        assert 0 <= share.streams <= claim.wanted
        if share.streams < claim.wanted:
            assert used[share.limited_by] == limits[share.limited_by]


@given(CLAIMS, st.integers(0, 8))
def test_a_job_of_higher_priority_never_waits_behind_a_lower_one(claims, limit):
    same = [claim._replace(resources=frozenset({"agent"})) for claim in claims]
    shares = share_streams(same, {"agent": limit})

    running = [c.priority for c in same if shares[c.key].streams]
    waiting = [c.priority for c in same if not shares[c.key].streams]
    assert not running or not waiting or max(running) <= min(waiting)


def test_two_jobs_share_evenly():
    claims = [Claim(job, 5, 4, frozenset({"agent"})) for job in (1, 2)]

    shares = share_streams(claims, {"agent": 4})

    assert [shares[job, 0].streams for job in (1, 2)] == [2, 2]
    assert shares[1, 0].limited_by == "agent"


def test_parts_of_a_job_share_what_they_have_in_common():
    parts = [Claim(1, 5, 4, frozenset({"agent", name}), part) for part, name in enumerate("ab")]

    shares = share_streams(parts, {"agent": 3, "a": 1, "b": 9})

    assert [shares[1, part].streams for part in (0, 1)] == [1, 2]
    assert [shares[1, part].limited_by for part in (0, 1)] == ["a", "agent"]
