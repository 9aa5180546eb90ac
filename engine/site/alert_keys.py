"""Alerts of the site file: of what they tell, to whom, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from engine.policy.alerting import (
    ALERT_EVENTS,
    DEFAULT_ATTEMPTS,
    DEFAULT_DELAY_S,
    DEFAULT_PER_HOUR,
)
from engine.policy.destinations import TLS_WORDS, destination_from
from engine.policy.durations import format_duration, parse_duration
from engine.site.configuration import AlertItem, Configuration, JsonTable
from engine.site.section import Section

_FILES = ("password_file", "token_file", "ca_file")
_KEYS = (
    "on",
    "to",
    "attempts",
    "delay",
    "policies",
    "cleared",
    "per_hour",
    "from",
    "user",
    "tls",
    "arguments",
    *_FILES,
)
MAX_PER_HOUR = 1_000


def read_alerts(root: Section, wanted: Configuration) -> None:
    """Adds the alerts."""
    for name, section in root.named("alerts", _KEYS):
        events = section.choices("on", ALERT_EVENTS, "event")
        if "on" not in section:
            raise section.error(
                None,
                'needs "on": of what it tells',
                hint=f"of: {', '.join(ALERT_EVENTS)}; [] for jobs that name it alone",
            )
        to = section.required("to")
        options = _options(section, wanted)
        section.understood("to", partial(destination_from, to, options))
        wanted.alerts[name] = AlertItem(name=name, on_events=events, to=to, options=options)


def _options(section: Section, wanted: Configuration) -> JsonTable:
    """The keys that are not as they would be if they were left out."""
    options: JsonTable = {
        "attempts": section.integer("attempts", DEFAULT_ATTEMPTS, 1, 1_000),
        "delay_s": section.parsed("delay", parse_duration, DEFAULT_DELAY_S),
        "policies": list(section.choices("policies", list(wanted.policies), "policy")),
        "cleared": section.flag("cleared", True),
        "per_hour": section.integer("per_hour", DEFAULT_PER_HOUR, 1, MAX_PER_HOUR),
        "from": section.text("from"),
        "user": section.text("user"),
        "tls": section.choice("tls", "none", TLS_WORDS),
        "arguments": list(section.texts("arguments", unique=False)),
    }
    for key in _FILES:
        path = section.text(key)
        if path and not path.startswith("/"):
            raise section.error(key, f'"{path}" is not an absolute path')
        options[key] = path
    return {key: value for key, value in options.items() if value != _USUAL.get(key, "")}


_USUAL: Mapping[str, Any] = {
    "attempts": DEFAULT_ATTEMPTS,
    "delay_s": DEFAULT_DELAY_S,
    "policies": [],
    "cleared": True,
    "per_hour": DEFAULT_PER_HOUR,
    "tls": "none",
    "arguments": [],
}


def rendered_alert(item: AlertItem) -> JsonTable:
    """The inverse of `read_alerts`, without what is as usual."""
    table: JsonTable = {"on": list(item.on_events), "to": item.to}
    for key, value in item.options.items():
        if key == "delay_s":
            table["delay"] = format_duration(value)
        else:
            table[key] = value
    return table
