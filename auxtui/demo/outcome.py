"""What a demo has copied, as a table or as JSON."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from typing import Any

from auxtui import format as fmt
from auxtui.cli.output import say, write_json, write_table
from auxtui.demo.place import Place
from auxtui.demo.site_text import POLICIES
from engine.catalog.live_documents import job_document
from engine.catalog.running_values import JobValue
from engine.control import frontdoor
from engine.policy.values import RunOptions


def report(place: Place, ended: list[JobValue], *, as_json: bool) -> None:
    """Prints what is on which copy, what is not and why, and how to see it for oneself."""
    rows = [row for policy in POLICIES for row in _copies(place, policy)]
    if as_json:
        jobs = [job_document(job, ()) for job in ended]
        write_json({"home": str(place.home.path), "jobs": jobs, "copies": rows})
        return
    write_table(
        ("policy", "copy", "there", "not there", "size"),
        [
            (
                row["policy"],
                row["copy"],
                row["available"],
                row["not_there"],
                fmt.size(row["bytes"]),
            )
            for row in rows
        ],
        numbers=("there", "not there", "size"),
        names=("policy", "copy"),
    )
    for row in rows:
        for reason, count in row["reasons"].items():
            jobs_text = fmt.count(count, "backup job")
            say(f"{row['policy']}/{row['copy']}: {jobs_text} not there: {reason}")
    for job in ended:
        say(f"job {job.id} ({job.policy}): {job.state.replace('_', ' ')}")
    for line in ways_on(place):
        say(line)


def ways_on(place: Place) -> list[str]:
    """Commands to go on with."""
    auxtui = f"{program()} --home {shlex.quote(str(place.home.path))}"
    lines = [f"look at it:       {auxtui}"]
    compared = _comparison(place)
    if compared:
        lines.append(f"see for yourself: {compared}")
    return lines


def program() -> str:
    """How this program can be called again from here."""
    called = os.path.abspath(sys.argv[0])
    found = shutil.which("auxtui")
    if found and os.path.realpath(found) == os.path.realpath(called):
        return "auxtui"
    if os.path.basename(called) != "auxtui":
        return f"{shlex.quote(sys.executable)} -m auxtui"
    return shlex.quote(min(called, os.path.relpath(called), key=len))


def _comparison(place: Place) -> str:
    """A command that compares a copied directory with its source; empty when there is none yet."""
    copies = (place.root / "vault/machines/offsite").glob("*/data/library-*")
    newest = max(copies, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        return ""
    source = place.landing / "web1/library" / newest.name
    words = ("diff", "-r", str(source), str(newest))
    return " ".join(shlex.quote(word) for word in words)


def _copies(place: Place, policy: str) -> list[dict[str, Any]]:
    """One row per secondary copy: what is there, what is not, and why not."""
    plan = frontdoor.preview(place.home, policy, RunOptions())
    rows = []
    for copy in plan["copies"]:
        lines = [line for line in plan["backup_jobs"] if line["copy"] == copy]
        there = [line for line in lines if line["state"] == "available"]
        reasons = Counter(line["reason"] for line in lines if line["state"] != "available")
        rows.append(
            {
                "policy": policy,
                "copy": copy,
                "available": len(there),
                "not_there": sum(reasons.values()),
                "bytes": sum(line["bytes"] for line in there),
                "reasons": dict(sorted(reasons.items())),
            }
        )
    return rows
