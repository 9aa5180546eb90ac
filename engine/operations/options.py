"""Run options as JSON for the catalog, and back; what a request says is validated here."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from sqlmodel import Session

from engine.catalog import config
from engine.model.errors import NotFoundError, UsageError
from engine.policy.alerting import JobAlert
from engine.policy.values import RunOptions

_NAMES = tuple(field.name for field in fields(RunOptions))


def options_to_json(options: RunOptions) -> dict[str, Any]:
    """Run options as a JSON object with the names of the fields as keys."""
    document = asdict(options)
    document["copies"] = list(options.copies)
    return document


def options_from_json(document: dict[str, Any]) -> RunOptions:
    """The inverse of `options_to_json`; unknown keys and wrong values are refused.

    Raises:
        UsageError: a key or a value is not one of a run.
    """
    unknown = sorted(set(document) - set(_NAMES))
    if unknown:
        raise UsageError(f"unknown run option {unknown[0]!r}", hint=f"known: {', '.join(_NAMES)}")
    values = dict(document)
    values["copies"] = tuple(values.get("copies", ()))
    options = RunOptions(**values)
    check_options(options)
    return options


def check_options(options: RunOptions) -> None:
    """Refuses numbers that cannot be meant.

    Raises:
        UsageError: names the option, its value and what is possible.
    """
    _at_least("streams", options.streams, 1)
    _at_least("jobs to process", options.jobs_to_process, 1)
    _at_least("retries", options.retries, 0)
    _at_least("total time in seconds", options.total_time_s, 1)
    _at_least("throttle in bytes per second", options.throttle_bps, 1)
    if not 0 <= options.priority <= 9:
        raise UsageError(
            f"priority {options.priority} is not possible", hint="0 (first) to 9 (last)"
        )
    if options.alert_when not in set(JobAlert):
        raise UsageError(
            f"{options.alert_when!r} is no time to tell of a job",
            hint=f"one of: {', '.join(JobAlert)}",
        )
    if options.alert_when != JobAlert.ENDS and not options.alert:
        raise UsageError("nobody is named to be told", hint="name an alert of the site file")
    if options.kill_after_total_time and options.total_time_s is None:
        raise UsageError(
            "kill after total time needs a total time", hint="give the total running time, e.g. 6h"
        )


def refuse_unknown_alert(session: Session, options: RunOptions) -> None:
    """Refuses a run that names an alert which nobody has configured.

    Raises:
        NotFoundError: names those that are.
    """
    known = [alert.name for alert in config.alerts(session)]
    if options.alert and options.alert not in known:
        raise NotFoundError(
            f"there is no alert {options.alert}",
            hint=f"known: {', '.join(known)}"
            if known
            else "add one to the site file: [alerts.NAME]",
        )


def _at_least(what: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise UsageError(f"{what} {value} is not possible", hint=f"at least {least}")
