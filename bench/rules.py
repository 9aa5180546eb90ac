"""Measures the rules: planning 100,000 backup jobs x 3 copies, refills, and streams kept busy.

Run as `python -m bench.rules`. Times are processor seconds of this process; the lower bound of a
schedule is the largest of: its largest order, and all work per stream or writer that can do it.
"""

from __future__ import annotations

import heapq
import random
import resource
import time
from collections.abc import Iterable, Sequence
from itertools import combinations

from engine.model.states import CopyKind, JobCopyState
from engine.operations.planning import few_collections
from engine.policy.allocation import Free, QueuedOrder, WorkQueue, static_map
from engine.policy.plan import build_plan
from engine.policy.streams import StreamLimits, number_of_streams
from engine.policy.values import CopyRules, LedgerLine, RunOptions

NOW = 1_780_000_000.0
JOBS = 100_000
STREAMS = {"store1": 4, "store2": 4, "store3": 2}
WRITERS = {"fast": 6, "vault": 5}
COPIES = (
    CopyRules(copy_id=1, name="primary", kind=CopyKind.PRIMARY, source_copy_id=None),
    CopyRules(copy_id=2, name="offsite", kind=CopyKind.SYNCHRONOUS, source_copy_id=1),
    CopyRules(copy_id=3, name="far", kind=CopyKind.SYNCHRONOUS, source_copy_id=2, defer_s=86_400),
    CopyRules(
        copy_id=4,
        name="vault",
        kind=CopyKind.SELECTIVE,
        source_copy_id=1,
        select_rule="weekly",
        take="last",
    ),
)


def ledger(state: JobCopyState | None) -> list[LedgerLine]:
    """Two years of backup jobs of fifty subclients."""
    rng = random.Random(1)  # noqa: S311 - the same each time
    return [
        LedgerLine(
            number,
            f"client{number % 50}/data",
            "full" if number % 7 == 0 else "incremental",
            NOW - (JOBS - number) * 600,
            rng.randrange(10**9),
            number // 7,
            JobCopyState.AVAILABLE,
            NOW - (JOBS - number) * 600 + 60,
            "never",
            state,
            available_at=None if state is None else NOW - (JOBS - number) * 600 + 900,
        )
        for number in range(JOBS)
    ]


def planning() -> None:
    """Prints how long a plan takes when all is there, and when nothing is."""
    print(f"planning {JOBS:,} backup jobs x 3 copies")
    for what, state in (("all there", JobCopyState.AVAILABLE), ("none there", None)):
        for zone in ("UTC", "Europe/Berlin"):
            print(f"  {what:10} {zone:14} {_planned(ledger(state), zone)}")
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"  peak memory of the whole process {peak_kib / 1024:.0f} MiB")


def _planned(lines: list[LedgerLine], zone: str) -> str:
    start = time.process_time()
    seen = {2: lines, 3: lines, 4: lines}
    with few_collections():  # as every plan is made
        plan = build_plan(COPIES, seen, now=NOW, options=RunOptions(), zone=zone)
    planned = time.process_time()
    orders = plan.orders()
    ordered = time.process_time()
    return f"plan {planned - start:.2f} s, {len(orders):,} orders {ordered - planned:.2f} s"


def refills() -> None:
    """Prints the time of taking note of 100,000 orders, and of the slowest refill."""
    queue = WorkQueue(streams=STREAMS, writers=WRITERS)
    orders = thousand(seed=1, count=JOBS)
    start = time.process_time()
    queue.offer(orders)
    offered_s = time.process_time() - start
    free, slowest_s, takes = Free(streams=STREAMS, writers=WRITERS), 0.0, 0
    begin = time.process_time()
    while True:
        if queue.needs_refill(1_000):
            start = time.process_time()
            queue.refill(1_000)
            slowest_s = max(slowest_s, time.process_time() - start)
        if queue.take(free) is None:
            break
        takes += 1
    each_us = (time.process_time() - begin) / takes * 1e6
    print(
        f"queue of {JOBS:,}: offered {offered_s:.2f} s, slowest refill of 1,000 "
        f"{slowest_s * 1e3:.1f} ms, {each_us:.0f} us for each order taken"
    )


def thousand(*, seed: int, count: int = 1_000) -> list[QueuedOrder]:
    """Backup jobs of log-normal size over three MediaAgents and two libraries."""
    rng = random.Random(seed)  # noqa: S311 - the same each time
    routes = [frozenset(STREAMS), frozenset(("store1", "store2")), frozenset(("store3",))]
    libraries = [frozenset((name,)) for name in WRITERS]
    return [
        QueuedOrder(
            (number, 1),
            int(rng.lognormvariate(20, 1.5)),
            5,
            rng.choice(routes),
            rng.choice(libraries),
        )
        for number in range(count)
    ]


def scalable_s(orders: Sequence[QueuedOrder], batch: int) -> float:
    """When the last order ends if a stream copies a byte a second."""
    queue = WorkQueue(streams=STREAMS, writers=WRITERS)
    queue.offer(orders)
    streams, writers = dict(STREAMS), dict(WRITERS)
    ends: list[tuple[float, int, str, frozenset[str]]] = []
    now, started = 0.0, 0
    while True:
        if queue.needs_refill(batch):
            queue.refill(batch)
        taken = queue.take(Free(streams=streams, writers=writers))
        if taken is not None:
            started += 1
            _use(taken.media_agent, taken.order.libraries, streams, writers, -1)
            end = now + taken.order.size_bytes
            heapq.heappush(ends, (end, started, taken.media_agent, taken.order.libraries))
        elif ends:
            now, _, agent, libraries = heapq.heappop(ends)
            _use(agent, libraries, streams, writers, 1)
        else:
            return now


def _use(
    agent: str,
    libraries: Iterable[str],
    streams: dict[str, int],
    writers: dict[str, int],
    change: int,
) -> None:
    streams[agent] += change
    for library in libraries:
        writers[library] += change


def bound_s(orders: Sequence[QueuedOrder]) -> float:
    """No schedule is shorter."""
    bounds: list[float] = [max(order.size_bytes for order in orders)]
    for count in range(1, len(STREAMS) + 1):
        for agents in combinations(STREAMS, count):
            only = sum(order.size_bytes for order in orders if order.media_agents <= set(agents))
            bounds.append(only / sum(STREAMS[agent] for agent in agents))
    for library, count in WRITERS.items():
        bounds.append(sum(o.size_bytes for o in orders if library in o.libraries) / count)
    return max(bounds)


def allocation() -> None:
    """Prints how near scalable allocation and the fixed map come to the lower bound."""
    print("1,000 backup jobs of log-normal size, time to the end / lower bound")
    limits = StreamLimits(media_agents=STREAMS, libraries=WRITERS, backup_jobs=1_000)
    streams, limited_by = number_of_streams(limits)
    print(f"  the fixed map has {streams} streams ({limited_by})")
    for seed in range(8):
        orders = thousand(seed=seed)
        bound = bound_s(orders)
        fixed = max(sum(o.size_bytes for o in stream) for stream in static_map(orders, streams))
        print(
            f"  seed {seed}: scalable {scalable_s(orders, 1_000) / bound:.3f}, "
            f"in batches of 100 {scalable_s(orders, 100) / bound:.3f}, fixed map {fixed / bound:.3f}"
        )


if __name__ == "__main__":
    planning()
    refills()
    allocation()
