"""The guide from nothing to the first copy: its fields, and the site file that they make. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from auxtui.form import FormField, Values
from auxtui.present import Cell, Fact

POLICY, COPY, LIBRARY = "policy", "copy", "library"
LANDING, PATTERN, SETTLE = "landing", "pattern", "settle"
_LIBRARY_NAME = "library1"
_SUBCLIENT = "landing"


def fields_for(host: str) -> tuple[FormField, ...]:
    """The fields; `host` is the name of this computer."""
    return (
        FormField(
            name=LANDING,
            label="1 Backups lie in",
            help="Where pg_dump, tar, restic ... put backups. Nothing in it is changed.",
        ),
        FormField(
            name=PATTERN,
            label="  and are named",
            help="Each entry with such a name is one backup job: *.dump; * for every one.",
            value="*",
        ),
        FormField(
            name=SETTLE,
            label="  settled after",
            help="An entry that was untouched for so long is complete: 1m, 5m, 1h.",
            value="1m",
        ),
        FormField(
            name=LIBRARY,
            label="2 Copies go to",
            help="On another disk, e.g. /mnt/vault/auxtui; made when it is not there.",
        ),
        FormField(
            name=POLICY,
            label="3 Storage policy",
            help="A name for what is protected here: databases, backups ...",
            value="backups",
        ),
        FormField(
            name=COPY,
            label="  its second copy",
            help="A name for the copy in the library.",
            value="Copy_2",
        ),
        FormField(
            name="client",
            label="  this computer",
            help="Its name as a client.",
            value=host_name(host),
        ),
    )


def host_name(host: str) -> str:
    """A host's name as one that the site file takes."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", host.split(".")[0]).strip("-")[:64] or "client1"


def document_of(values: Values, before: Mapping[str, Any]) -> dict[str, Any]:
    """The site file that the fields say, beside what it has already.

    Args:
        values: the fields.
        before: the configuration so far; it keeps its settings, MediaAgents, windows and alerts.
    """
    text = {name: str(value).strip() for name, value in values.items()}
    subclient = {
        "policy": text[POLICY],
        "landing": text[LANDING],
        "pattern": text[PATTERN] or "*",
        "settle": text[SETTLE] or "5m",
    }
    copy = {"kind": "synchronous", "library": _LIBRARY_NAME}
    return {
        **before,
        "commcell": {"name": text["client"] or "commcell", **before.get("commcell", {})},
        "libraries": {_LIBRARY_NAME: {"url": text[LIBRARY]}},
        "clients": {text["client"]: {"subclients": {_SUBCLIENT: subclient}}},
        "policies": {text[POLICY]: {"copies": {text[COPY]: copy}}},
    }


def wrong_field(path: Sequence[str | int], values: Mapping[str, str | bool]) -> str:
    """The field that an error of the engine is about; empty: the form as a whole."""
    parts = [str(part) for part in path]
    if parts[:1] == ["libraries"]:
        return LIBRARY
    if parts[:1] == ["clients"]:
        return parts[4] if len(parts) > 4 and parts[4] in (LANDING, PATTERN, SETTLE) else "client"
    if parts[:1] == ["policies"]:
        return COPY if len(parts) > 2 else POLICY
    return ""


def steps(values: Values) -> list[Fact]:
    """What happens after the form, in words."""
    policy, copy = str(values[POLICY]), str(values[COPY])
    return [
        ("Then", Cell(f"the configuration is written: policy {policy} with copy {copy}")),
        ("and", Cell("the backups that lie there are adopted, where they lie")),
        ("and", Cell("the plan of the first run is shown; f2 there starts it")),
    ]
