"""Runs the demo: makes the CommCell, runs its auxiliary copies, shows them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from auxtui.demo.material import make_material
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.catalog.values import JobValue
from engine.control import frontdoor
from engine.model.errors import UsageError
from engine.model.names import shown
from engine.model.states import JobState
from engine.policy.durations import format_size
from engine.policy.values import RunOptions
from engine.site.applying import apply_site

POLICIES = ("databases", "machines")
WATCHED_BPS = 24 << 20  # slow enough to be watched for a minute or two
BY = "demo"

SITE = """\
# The demo's CommCell. Change it, then: auxtui --home {home} apply site.toml

[commcell]
name = "demo"
time_zone = "UTC"

[media_agents.this-host]
max_streams = 2

[libraries.vault]
url = {vault}
media_agents = ["this-host"]

[libraries.shelf]
url = {shelf}
media_agents = ["this-host"]

[clients.db1.subclients.inventory]
policy = "databases"
landing = {landing_db1}
pattern = "*.sql"
settle = "0s"

[clients.web1.subclients.library]
policy = "machines"
landing = {landing_web1}
settle = "0s"

[clients.vm1.subclients.images]
policy = "machines"
landing = {landing_vm1}
pattern = "*.img"
settle = "0s"

[clients.vm1.subclients.uploads]
policy = "machines"
landing = {landing_uploads}
pattern = "*.img"
settle = "30m"

[policies.databases]
description = "Dumps of the inventory database"

[policies.databases.copies.primary]
retain = "30d"

[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
retain = "90d"

[policies.databases.copies.monthly]
kind = "selective"
select = "monthly"
take = "first"
source = "offsite"
library = "shelf"
retain = "7y"

[policies.machines]
description = "Archives and images"

[policies.machines.copies.primary]
retain = "30d"

[policies.machines.copies.offsite]
kind = "synchronous"
library = "vault"
retain = "90d"

[policies.machines.copies.second]
kind = "synchronous"
library = "shelf"
retain = "90d"
on_and_after = {on_and_after}
"""


def run_demo(directory: str, *, headless: bool, as_json: bool) -> int:
    """Makes or reopens the demo below a directory and runs it.

    Args:
        directory: made when it is missing; refused when it holds something else.
        headless: wait for the end and print the result, without the console.
        as_json: print the result as one JSON document.

    Returns:
        The exit code: 0 when everything was copied.
    """
    root = Path(directory).absolute()
    home = _prepare(root, as_json=as_json)
    frontdoor.ensure_service(home)
    frontdoor.run_scan(home, None, by=BY)
    if headless:
        ended = [_run_to_end(home, policy, as_json=as_json) for policy in POLICIES]
        _print_result(home, ended, as_json=as_json)
        return max((job.exit_code for job in ended), default=0)
    _run_to_end(home, POLICIES[0], as_json=as_json)
    options = RunOptions(throttle_bps=WATCHED_BPS, description="the demo's job to watch")
    frontdoor.run_auxcopy(home, POLICIES[1], options, by=BY)
    from auxtui.app import run  # after the work: importing Textual takes a moment

    return run(home)


def _prepare(root: Path, *, as_json: bool) -> Home:
    """Directories, material, configuration; each step is skipped when it is done."""
    home = Home(root / "home")
    if root.exists() and any(root.iterdir()) and not (root / "site.toml").exists():
        raise UsageError(
            f"{shown(str(root))} is not empty and is no demo",
            hint="name a new directory: auxtui demo --dir DIR",
        )
    root.mkdir(parents=True, exist_ok=True)
    site = root / "site.toml"
    if not site.exists():
        site.write_text(_site_text(root, home), encoding="utf-8")
    make_material(root, lambda line: _say(line, as_json=as_json))
    home.make()
    catalog = open_catalog(home, create=True)
    try:
        text = site.read_text(encoding="utf-8")
        apply_site(catalog, text, str(site), dry_run=False, now=datetime.now(UTC))
    finally:
        catalog.close()
    return home


def _site_text(root: Path, home: Home) -> str:
    landing = root / "landing"
    month_ago = datetime.now(UTC).date() - timedelta(days=30)
    return SITE.format(
        home=home.path,
        vault=_toml(root / "vault"),
        shelf=_toml(root / "shelf"),
        landing_db1=_toml(landing / "db1/inventory"),
        landing_web1=_toml(landing / "web1/library"),
        landing_vm1=_toml(landing / "vm1/images"),
        landing_uploads=_toml(landing / "vm1/uploads"),
        on_and_after=f'"{month_ago.isoformat()}"',
    )


def _toml(path: Path) -> str:
    return json.dumps(str(path))  # a JSON string is a TOML basic string


def _say(line: str, *, as_json: bool) -> None:
    if not as_json:
        print(line, file=sys.stderr)  # noqa: T201 - the demo's messages


def _run_to_end(home: Home, policy: str, *, as_json: bool) -> JobValue:
    job_id = frontdoor.run_auxcopy(home, policy, RunOptions(), by=BY)
    _say(f"job {job_id}: copying policy {policy}", as_json=as_json)
    return frontdoor.wait_for_job(home, job_id)


def _print_result(home: Home, ended: list[JobValue], *, as_json: bool) -> None:
    rows = [row for policy in POLICIES for row in _copies(home, policy)]
    if as_json:
        jobs = [{"job_id": job.id, "policy": job.policy, "state": job.state} for job in ended]
        document = {"home": str(home.path), "jobs": jobs, "copies": rows}
        print(json.dumps(document, indent=2))  # noqa: T201 - the result
        return
    table = Table(title="What is on which copy")
    for column in ("policy", "copy", "backup jobs there", "not there", "size", "why not"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row["policy"],
            row["copy"],
            str(row["available"]),
            str(row["not_there"]),
            format_size(row["bytes"]),
            Text("; ".join(row["reasons"])),
        )
    console = Console()
    console.print(table)
    for job in ended:
        state = JobState(job.state).value.replace("_", " ")
        console.print(f"job {job.id} ({job.policy}): {state}", markup=False)
    console.print(f"look at it: auxtui --home {home.path}", markup=False, soft_wrap=True)


def _copies(home: Home, policy: str) -> list[dict[str, Any]]:
    """One row per secondary copy: what is there, what is not, and why not."""
    plan = frontdoor.preview(home, policy, RunOptions())
    rows = []
    for copy in plan["copies"]:
        lines = [line for line in plan["backup_jobs"] if line["copy"] == copy]
        there = [line for line in lines if line["state"] == "available"]
        absent = [line for line in lines if line["state"] != "available"]
        rows.append(
            {
                "policy": policy,
                "copy": copy,
                "available": len(there),
                "not_there": len(absent),
                "bytes": sum(line["bytes"] for line in there),
                "reasons": sorted({line["reason"] for line in absent}),
            }
        )
    return rows
