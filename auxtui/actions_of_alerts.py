"""What can be done about alarms and alerts. Part of `actions`. Pure."""

from __future__ import annotations

from auxtui.action_values import Action, about
from engine.catalog.watch_values import AlarmValue

ALARM = frozenset({"alarm"})
ALERT = frozenset({"alert"})


@about(AlarmValue)
def _cleared(alarm: AlarmValue) -> str:
    return f"alarm {alarm.id} has cleared" if alarm.cleared_at else ""


ALERT_ACTIONS: tuple[Action, ...] = (
    Action(
        id="alarm.clear",
        keys="x",
        label="Clear Alarm",
        help="Says that it is dealt with; what is still wrong comes again.",
        kinds=ALARM,
        changes=True,
        because=_cleared,
        hint_rank=0,
    ),
    Action(
        id="alert.try",
        keys="t",
        label="Send a Test",
        help="Delivers a test message now, and says whether it was accepted.",
        kinds=ALERT,
        changes=True,
        bulk=False,
        hint_rank=0,
    ),
)
