from __future__ import annotations

import heapq
import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.policy.allocation import Free, QueuedOrder, WorkQueue, static_map

STREAMS = {"a": 4, "b": 4, "c": 2}
WRITERS = {"x": 6, "y": 5}


def order(number, size=100, *, priority=5, agents="abc", libraries="x", **changes) -> QueuedOrder:
    return QueuedOrder(
        (number, 1), size, priority, frozenset(agents), frozenset(libraries), **changes
    )


def queue_of(*orders, streams=None, writers=None, batch=1_000) -> WorkQueue:
    queue = WorkQueue(streams=streams or STREAMS, writers=writers or WRITERS)
    queue.offer(orders)
    queue.refill(batch)
    return queue


def all_free(**changes) -> Free:
    return Free(**{"streams": STREAMS, "writers": WRITERS, **changes})


def drained(queue, free=None) -> list[int]:
    taken = []
    while assignment := queue.take(free or all_free()):
        taken.append(assignment.order.key[0])
    return taken


def run(orders, *, batch=1_000, streams=STREAMS, writers=WRITERS):
    """Runs all orders on a clock of its own; gives when each ended and the most that was in use."""
    queue = queue_of(*orders, streams=streams, writers=writers, batch=batch)
    free_streams, free_writers = dict(streams), dict(writers)
    ends: list[tuple[float, int, object]] = []
    now, done = 0.0, []
    while True:
        while True:
            if queue.needs_refill(batch):
                queue.refill(batch)
            taken = queue.take(Free(streams=free_streams, writers=free_writers))
            if taken is None:
                break
            free_streams[taken.media_agent] -= 1
            for library in taken.order.libraries:
                free_writers[library] -= 1
            assert min(free_streams.values()) >= 0
            assert min(free_writers.values()) >= 0
            heapq.heappush(ends, (now + taken.order.size_bytes, len(done) + len(ends), taken))
        if not ends:
            return done
        now, _, ended = heapq.heappop(ends)
        free_streams[ended.media_agent] += 1
        for library in ended.order.libraries:
            free_writers[library] += 1
        done.append((now, ended.order))


def lower_bound(orders, streams=STREAMS, writers=WRITERS) -> float:
    """No schedule is shorter: the largest order, and all work per stream or writer that can do it."""
    bounds = [max(order.size_bytes for order in orders)]
    for count in range(1, len(streams) + 1):
        for agents in combinations(streams, count):
            only = sum(o.size_bytes for o in orders if o.media_agents <= set(agents))
            bounds.append(only / sum(streams[agent] for agent in agents))
    for library, count in writers.items():
        bounds.append(sum(o.size_bytes for o in orders if library in o.libraries) / count)
    return max(bounds)


def test_oldest_first_within_a_priority():
    queue = queue_of(order(1), order(2), order(3, priority=0), order(4), *map(order, range(5, 40)))

    assert drained(queue)[:5] == [3, 1, 2, 4, 5]


def test_what_would_be_left_over_alone_begins_at_once():
    small = [order(number, 10) for number in range(100)]

    taken = drained(queue_of(*small, order(100, 10_000)))

    assert taken[0] == 100
    assert taken[1:50] == list(range(49))


def test_priority_comes_before_size():
    assert drained(queue_of(order(1, 10**9, priority=9), order(2, 1, priority=0))) == [2, 1]


def test_large_ones_of_a_later_batch_are_seen_from_the_start():
    orders = [order(number, 10) for number in range(500)] + [order(500, 100_000)]

    queue = queue_of(*orders, batch=20)

    assert len(queue) == 20
    assert queue.take(all_free()).order.key == (500, 1)


def test_refill_in_batches():
    queue = WorkQueue(streams=STREAMS, writers=WRITERS)
    orders = [order(number) for number in range(25)]

    assert queue.offer(orders) == 25
    assert queue.offer(orders) == 0
    assert queue.needs_refill(10)
    assert queue.refill(10) == 10
    assert not queue.needs_refill(10)
    assert queue.refill(10) == 0
    for _ in range(6):
        queue.take(all_free())
    assert queue.needs_refill(10)
    assert (queue.refill(10), len(queue), queue.offered) == (6, 10, 9)
    assert queue.waiting_bytes == 19 * 100


def test_new_backup_jobs_join():
    queue = queue_of(order(1), order(2))
    queue.take(all_free())

    assert queue.offer([order(1), order(2), order(3)]) == 1
    queue.refill(10)

    assert drained(queue) == [2, 3]


def test_a_failed_order_can_be_offered_again():
    queue = queue_of(order(1))
    queue.take(all_free())

    assert queue.offer([order(1)]) == 0
    queue.forget((1, 1))
    assert queue.offer([order(1)]) == 1
    queue.refill(10)
    assert drained(queue) == [1]


def test_empty_backup_jobs_are_orders_too():
    assert drained(queue_of(order(1, 0), order(2, 0), order(3, 0, agents="c"))) == [1, 2, 3]


@pytest.mark.parametrize(
    "free",
    [
        all_free(streams={"a": 0, "b": 0, "c": 0}),
        all_free(closed_agents={"a", "b", "c"}),
        all_free(streams={"a": 1}, closed_agents={"a"}),
        all_free(writers={"x": 0, "y": 5}),
        all_free(closed_libraries={"x"}),
        all_free(closed_libraries={"src"}),
        all_free(readers={"src": 0}),
        all_free(closed_subclients={"db1/pg"}),
    ],
)
def test_nothing_goes_where_nothing_may(free):
    queue = queue_of(order(1, source_library="src", subclient="db1/pg"))

    assert queue.take(free) is None
    assert queue.take(all_free()).order.key == (1, 1)


def test_a_window_of_one_subclient_lets_the_others_go_on():
    queue = queue_of(order(1, 10**6, subclient="db1/pg"), order(2, subclient="db2/pg"))

    assert drained(queue, all_free(closed_subclients={"db1/pg"})) == [2]
    assert drained(queue) == [1]


def test_a_lower_priority_uses_what_a_higher_cannot():
    queue = queue_of(order(1, priority=0, libraries="x"), order(2, priority=9, libraries="y"))

    assert drained(queue, all_free(writers={"x": 0, "y": 1})) == [2]


def test_media_agents_that_others_need_are_spared():
    streams = {"a": 1, "c": 2}
    queue = queue_of(order(1, agents="ac"), order(2, 10, agents="c"), streams=streams)

    assert queue.take(all_free(streams=streams)).media_agent == "a"
    assert queue.take(all_free(streams=streams)).media_agent == "c"


def test_little_work_for_one_media_agent_does_not_go_before_older_work_for_all():
    many = [order(number, 100, agents="abc") for number in range(100)]
    queue = queue_of(*many, order(100, 10, agents="c"))

    assert queue.take(all_free(streams={"c": 1})).order.key == (0, 1)


def test_load_is_spread_over_media_agents():
    queue = queue_of(*(order(number) for number in range(10)))
    free = dict(STREAMS)
    agents = []
    for _ in range(10):
        agents.append(queue.take(all_free(streams=free)).media_agent)
        free[agents[-1]] -= 1

    assert {agent: agents.count(agent) for agent in STREAMS} == STREAMS


ORDERS = st.lists(
    st.builds(
        QueuedOrder,
        st.tuples(st.integers(0, 10**6), st.just(1)),
        st.integers(0, 10**6),
        st.integers(0, 9),
        st.frozensets(st.sampled_from("abc"), min_size=1),
        st.frozensets(st.sampled_from("xy"), min_size=1),
    ),
    max_size=60,
    unique_by=lambda one: one.key,
)


@settings(max_examples=100)
@given(orders=ORDERS, batch=st.integers(1, 80))
def test_each_order_runs_once_and_no_limit_is_exceeded(orders, batch):
    done = run(orders, batch=batch)

    assert sorted(ended.key for _, ended in done) == sorted(one.key for one in orders)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("batch", [100, 1_000])
def test_a_thousand_backup_jobs_end_near_the_lower_bound(seed, batch):
    rng = random.Random(seed)
    orders = [
        order(
            number,
            int(rng.lognormvariate(20, 1.5)),
            agents=rng.choice(["abc", "ab", "c"]),
            libraries=rng.choice("xy"),
        )
        for number in range(1_000)
    ]

    (ended, _) = run(orders, batch=batch)[-1]

    assert ended <= 1.05 * lower_bound(orders)


@given(orders=ORDERS, streams=st.integers(1, 12))
def test_static_map_has_each_order_once_in_order(orders, streams):
    mapped = static_map(orders, streams)

    assert len(mapped) == streams
    assert sorted(o.key for stream in mapped for o in stream) == sorted(o.key for o in orders)
    place = {one.key: number for number, one in enumerate(orders)}
    for stream in mapped:
        assert [place[o.key] for o in stream] == sorted(place[o.key] for o in stream)


def test_static_map_fills_the_emptiest_stream():
    sizes = [50, 10, 10, 10, 10]

    mapped = static_map([order(number, size) for number, size in enumerate(sizes)], 2)

    assert [[o.key[0] for o in stream] for stream in mapped] == [[0], [1, 2, 3, 4]]
    assert static_map([order(1, 0), order(2, 0)], 2) == [[order(1, 0)], [order(2, 0)]]


def test_only_orders_for_exactly_these_destinations():
    queue = queue_of(order(1, libraries="x"), order(2, libraries="xy"), order(3, libraries="y"))

    assert drained(queue, all_free(libraries=frozenset("xy"))) == [2]
    assert drained(queue, all_free(libraries=frozenset("y"))) == [3]
    assert queue.routes() == {(frozenset("abc"), frozenset("x"))}


def test_what_a_refill_would_bring_is_known_before():
    queue = queue_of(*(order(number, libraries="x") for number in range(10)), batch=10)
    queue.offer([order(20, libraries="y")])
    for_y = all_free(libraries=frozenset("y"))

    assert queue.take(for_y) is None
    assert queue.offers(for_y)
    assert not queue.offers(all_free(libraries=frozenset("x")))
    assert {one.key[0] for one in queue.waiting()} == set(range(10))
    assert {one.key[0] for one in queue.left()} == {*range(10), 20}
    queue.refill(11)
    assert drained(queue, for_y) == [20]


def test_what_is_given_back_can_be_offered_again():
    queue = queue_of(order(1))
    assert drained(queue) == [1]

    assert queue.offer([order(1)]) == 0
    queue.forget((1, 1))
    assert queue.offer([order(1)]) == 1
    queue.refill(1)
    assert drained(queue) == [1]
