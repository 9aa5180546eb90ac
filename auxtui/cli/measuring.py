"""The catalog as Prometheus metrics, read anew at every scrape."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from engine.catalog.home import Home
from engine.catalog.live import LiveCatalog
from engine.catalog.live_values import Estate, LiveCopy
from engine.catalog.watch_values import CopyStanding
from engine.control.lock import is_held


class CatalogCollector(Collector):
    """Gives the metrics of one CommCell.

    Args:
        home: whose catalog.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def collect(self) -> Iterator[Metric]:
        """All metrics, as the catalog is now."""
        with LiveCatalog(self._home.catalog) as live:
            estate = live.estate()
            yield from self._service(live)
            yield from _jobs(live)
            yield from _copies(estate)
            yield from _libraries(estate)
            yield from _alerts(live)

    def _service(self, live: LiveCatalog) -> Iterator[Metric]:
        up = float(is_held(self._home.service_lock))
        yield GaugeMetricFamily("auxtui_service_up", "1 while the service runs.", value=up)
        service = live.service()
        if service is not None and service.heartbeat_at is not None:
            yield GaugeMetricFamily(
                "auxtui_service_heartbeat_timestamp_seconds",
                "When the service reported last.",
                value=service.heartbeat_at.timestamp(),
            )


def _jobs(live: LiveCatalog) -> Iterator[Metric]:
    jobs = _gauge("auxtui_jobs", "Jobs, active and in the history.", "operation", "state")
    for (operation, state), number in live.job_counts().items():
        jobs.add_metric([operation, state], number)
    yield jobs
    last = _gauge(
        "auxtui_last_success_timestamp_seconds",
        "When the last job completed without errors.",
        "operation",
        "policy",
    )
    for (operation, policy), at in live.last_successes().items():
        last.add_metric([operation, policy], at.timestamp())
    yield last


def _copies(estate: Estate) -> Iterator[Metric]:
    job_copies = _gauge(
        "auxtui_job_copies", "Backup jobs on a copy by state.", "policy", "copy", "state"
    )
    for copy in estate.copies():
        for state, number in sorted(copy.counts.by_state.items()):
            job_copies.add_metric([copy.policy, copy.name, state], number)
    yield job_copies
    yield _of_copies(
        estate,
        "auxtui_bytes_to_copy",
        "Bytes that a copy owes.",
        lambda copy: float(copy.counts.owed_bytes) if copy.kind != "primary" else None,
    )
    yield _of_standings(
        estate,
        "auxtui_fallen_behind",
        "1 when a copy has fallen behind.",
        lambda standing: float(standing.is_behind),
    )
    yield _of_standings(
        estate,
        "auxtui_forecast_seconds",
        "Seconds until a copy is caught up; +Inf: never at this rate, NaN: not known yet.",
        _seconds_left,
    )
    yield _of_standings(
        estate,
        "auxtui_copy_rate_bytes_per_second",
        "Rate of a copy while copying, in the past.",
        lambda standing: None if standing.rate_bps is None else float(standing.rate_bps),
    )


def _seconds_left(standing: CopyStanding) -> float:
    if not standing.owed_jobs:
        return 0.0
    if not standing.is_known:
        return math.nan
    if standing.caught_up_at is None:
        return math.inf
    return max(0.0, (standing.caught_up_at - datetime.now(UTC)).total_seconds())


def _libraries(estate: Estate) -> Iterator[Metric]:
    online = _gauge("auxtui_library_online", "1 when the last look found it online.", "library")
    free = _gauge("auxtui_library_free_bytes", "Free space of a library.", "library")
    total = _gauge("auxtui_library_total_bytes", "Size of a library.", "library")
    for library in estate.libraries:
        online.add_metric([library.name], float(library.state == "online"))
        if library.free_bytes is not None:
            free.add_metric([library.name], library.free_bytes)
        if library.total_bytes is not None:
            total.add_metric([library.name], library.total_bytes)
    yield from (online, free, total)


def _alerts(live: LiveCatalog) -> Iterator[Metric]:
    standing = _gauge("auxtui_alarms", "Alarms that stand.", "kind")
    kinds = [alarm.kind for alarm in live.alarms(limit=1_000_000)]
    for kind in sorted(set(kinds)):
        standing.add_metric([kind], kinds.count(kind))
    yield standing
    waiting = _gauge("auxtui_alert_messages_waiting", "Messages not delivered yet.", "alert")
    for alert, number in live.waiting_messages().items():
        waiting.add_metric([alert], number)
    yield waiting


def _of_copies(
    estate: Estate, name: str, text: str, value: Callable[[LiveCopy], float | None]
) -> GaugeMetricFamily:
    gauge = _gauge(name, text, "policy", "copy")
    for copy in estate.copies():
        number = value(copy)
        if number is not None:
            gauge.add_metric([copy.policy, copy.name], number)
    return gauge


def _of_standings(
    estate: Estate, name: str, text: str, value: Callable[[CopyStanding], float | None]
) -> GaugeMetricFamily:
    return _of_copies(
        estate, name, text, lambda copy: value(copy.standing) if copy.standing else None
    )


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=list(labels))
