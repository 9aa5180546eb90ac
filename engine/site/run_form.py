"""A saved run of the auxiliary copy operation as TOML: scripts of the command line, options of schedules."""

from __future__ import annotations

import os
import tomllib
from typing import Any

import tomli_w

from engine.model.errors import SiteError, UsageError
from engine.model.names import shown
from engine.policy.alerting import JobAlert
from engine.policy.durations import format_duration, format_rate, parse_duration, parse_rate
from engine.policy.values import RunOptions
from engine.site.section import Section, SiteText
from engine.site.toml_text import toml_values

FORM_KEYS = (
    "copies",
    "source_media_agent",
    "streams",
    "scalable",
    "jobs_to_process",
    "skip_failed_verification",
    "use_most_recent_full",
    "fulls_first",
    "priority",
    "suspended",
    "description",
    "retries",
    "total_time",
    "kill_after_total_time",
    "throttle",
    "alert",
    "alert_when",
)
SCRIPT_KEYS = ("policy", *FORM_KEYS)
MAX_STREAMS = 256
MAX_JOBS_TO_PROCESS = 1_000_000
MAX_RETRIES = 1000
_DEFAULT = RunOptions()


def read_run_form(section: Section) -> RunOptions:
    """The options that a form states, defaults for the rest.

    Raises:
        SiteError: a wrong value, with its file and line.
    """
    has_total = "total_time" in section
    if "kill_after_total_time" in section and not has_total:
        raise section.error("kill_after_total_time", 'needs "total_time"', hint="e.g. 6h")
    if "alert_when" in section and not section.text("alert"):
        raise section.error("alert_when", 'needs "alert"', hint="the name of an alert")
    total_time_s = section.parsed("total_time", parse_duration, None)
    if total_time_s == 0:
        raise section.error("total_time", "no time at all: nothing could be copied", hint="e.g. 6h")
    streams = section.integer("streams", 0, 1, MAX_STREAMS)
    return RunOptions(
        copies=section.texts("copies"),
        source_media_agent=section.text("source_media_agent"),
        streams=streams or None,
        scalable=section.flag("scalable", _DEFAULT.scalable),
        jobs_to_process=section.integer(
            "jobs_to_process", _DEFAULT.jobs_to_process, 1, MAX_JOBS_TO_PROCESS
        ),
        skip_failed_verification=section.flag("skip_failed_verification", False),
        use_most_recent_full=section.flag("use_most_recent_full", False),
        fulls_first=section.flag("fulls_first", False),
        priority=section.integer("priority", _DEFAULT.priority, 0, 9),
        start_suspended=section.flag("suspended", False),
        description=section.note("description"),
        retries=section.integer("retries", _DEFAULT.retries, 0, MAX_RETRIES),
        total_time_s=total_time_s,
        kill_after_total_time=section.flag("kill_after_total_time", False),
        throttle_bps=section.parsed("throttle", parse_rate, None),
        alert=section.text("alert"),
        alert_when=section.choice("alert_when", _DEFAULT.alert_when, tuple(JobAlert)),
    )


def read_script(
    text: str, file_name: str, overrides: tuple[str, ...] = ()
) -> tuple[str, RunOptions]:
    """A saved form with overrides `key=value`.

    Returns:
        The policy and the options.

    Raises:
        SiteError: what is wrong in the file.
        UsageError: what is wrong in an override.
    """
    site = SiteText(text, file_name)
    values = toml_values(text, site)
    Section(site, (), values, SCRIPT_KEYS)
    for override in overrides:
        key, value = _override(override)
        try:
            _read_all(Section(SiteText("", ""), (), {key: value}, SCRIPT_KEYS))
        except SiteError as err:
            raise UsageError(f"--set {shown(override)}: {err.message}", hint=err.hint) from err
        values[key] = value
    section = Section(site, (), values, SCRIPT_KEYS)
    return section.required("policy"), read_run_form(section)


def _read_all(section: Section) -> None:
    section.text("policy")
    if "kill_after_total_time" in section:
        section.flag("kill_after_total_time", False)  # its total time stands in the file
    elif "alert_when" in section:
        section.choice("alert_when", _DEFAULT.alert_when, tuple(JobAlert))  # so does its alert
    else:
        read_run_form(section)


def _override(override: str) -> tuple[str, Any]:
    key, separator, raw = override.partition("=")
    key, raw = key.strip(), raw.strip()
    if not separator or not key:
        raise UsageError(f"--set {shown(override)}: not key=value", hint="e.g. --set streams=2")
    if key == "copies" and not raw.startswith("["):
        return key, [name.strip() for name in raw.split(",")]
    try:
        value = tomllib.loads(f"value = {raw}")
    except tomllib.TOMLDecodeError:
        return key, raw  # a bare word is a text: --set throttle=200MiB/s
    return (key, value["value"]) if len(value) == 1 else (key, raw)


def script_text(policy: str, options: RunOptions) -> str:
    """A form as TOML: what differs from the defaults, so that it replays identically."""
    document = {"policy": policy, **form_values(options)}
    return tomli_w.dumps(document)


def save_script(file: str, policy: str, options: RunOptions) -> None:
    """Writes a form into a new file; `read_script` gives it back as it is.

    Raises:
        UsageError: the file is there already, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError as err:
        raise UsageError(
            f"{shown(file)} is there already", hint="name another file, or remove it first"
        ) from err
    except OSError as err:
        raise UsageError(f"cannot write {shown(file)}: {err.strerror}") from err
    with open(descriptor, "w", encoding="utf-8") as out:
        out.write(script_text(policy, options))


def form_values(options: RunOptions) -> dict[str, Any]:
    """The keys of a form that differ from the defaults."""
    values = {
        "copies": list(options.copies),
        "source_media_agent": options.source_media_agent,
        "streams": options.streams,
        "scalable": options.scalable,
        "jobs_to_process": options.jobs_to_process,
        "skip_failed_verification": options.skip_failed_verification,
        "use_most_recent_full": options.use_most_recent_full,
        "fulls_first": options.fulls_first,
        "priority": options.priority,
        "suspended": options.start_suspended,
        "description": options.description,
        "retries": options.retries,
        "total_time": options.total_time_s and format_duration(options.total_time_s),
        "kill_after_total_time": options.kill_after_total_time,
        "throttle": options.throttle_bps and format_rate(options.throttle_bps, exact=True),
        "alert": options.alert,
        "alert_when": options.alert_when,
    }
    plain = {
        "copies": [],
        "source_media_agent": "",
        "scalable": _DEFAULT.scalable,
        "jobs_to_process": _DEFAULT.jobs_to_process,
        "priority": _DEFAULT.priority,
        "description": "",
        "retries": _DEFAULT.retries,
        "alert": "",
        "alert_when": _DEFAULT.alert_when,
    }
    return {
        key: value for key, value in values.items() if value not in (plain.get(key, False), None)
    }
