"""The door's part for alerts."""

from __future__ import annotations

from typing import Protocol

from auxtui.door_base import EngineDoor


class AlertsDoor(Protocol):
    """What the console asks about who is told of what. Every call may raise an `AuxError`."""

    def try_alert(self, name: str) -> str:
        """Delivers a test message; says who accepted it."""
        ...


class Alerts(EngineDoor):
    """The engine's own, as part of the front door."""

    def try_alert(self, name: str) -> str:
        from engine.control.trials import send_trial

        where, note = send_trial(self._home, name)
        return f"accepted by {where}{f'; {note}' if note else ''}"
