"""What the doctor says of alerts: do they arrive, can they be delivered, what stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auxtui.cli.times import Times
from engine.catalog.values import AlertValue, Finding
from engine.catalog.watch_values import AlarmValue
from engine.model.errors import AuxError
from engine.model.names import shown
from engine.model.states import Severity
from engine.operations.delivery import check
from engine.policy.alerting import AlertKind
from engine.policy.destinations import destination_from

# Said by looking at the thing itself.
_SEEN_OTHERWISE = frozenset(
    {AlertKind.LIBRARY_OFFLINE, AlertKind.SOURCE_OFFLINE, AlertKind.SPACE_LOW}
)


def examine_alerts(
    alerts: Sequence[AlertValue], alarms: Sequence[AlarmValue], times: Times
) -> Iterator[Finding]:
    """Findings of the alerts of the configuration and of the alarms that stand."""
    if not alerts:
        yield Finding(
            severity=Severity.INFO,
            what="no alert is configured: nobody is told of failures",
            hint="add [alerts.NAME] to the site file",
        )
    for alert in alerts:
        try:
            check(destination_from(alert.to, alert.options))
        except AuxError as err:
            yield Finding(
                severity=Severity.ERROR,
                what=f"alert {alert.name} cannot be delivered: {err.message}",
                hint=err.hint or f"then try: auxtui alert test {alert.name}",
            )
    for alarm in alarms:
        if alarm.kind in _SEEN_OTHERWISE:
            continue
        since = times.named(alarm.first_at)
        yield Finding(
            severity=Severity(alarm.severity),
            what=f"{alarm.kind} since {since}: {shown(alarm.about)}: {shown(alarm.message)}",
            hint=alarm.hint or f"when it is dealt with: auxtui alert clear {alarm.id}",
        )
