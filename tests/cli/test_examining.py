"""What the doctor finds; each fault is made for real or given as the value that it leaves behind."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pyrage
import pytest

from auxtui.cli import examining
from auxtui.cli.examining import examine
from engine.catalog.home import Home
from engine.catalog.values import ServiceValue
from engine.control.lock import ServiceLock
from engine.model.states import Severity

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def service(**changed) -> ServiceValue:
    values = {
        "epoch": 3,
        "pid": 4711,
        "host": "store1",
        "boot_id": "b",
        "version": "0.1.0",
        "state": "running",
        "started_at": NOW - timedelta(hours=1),
        "heartbeat_at": NOW - timedelta(seconds=2),
    }
    return ServiceValue(**{**values, **changed})


def severities(findings) -> list[Severity]:
    return [finding.severity for finding in findings]


@pytest.fixture
def configured(cell):
    cell.apply()
    return cell


def found_in(cell, word: str):
    return [finding for finding in examine(cell.home) if word in finding.what]


def test_a_fresh_commcell_needs_no_attention(configured):
    assert set(severities(examine(configured.home))) == {Severity.INFO}


def test_a_library_without_its_marker_is_an_error(configured):
    (configured.root / "vault" / "auxtui-library.json").unlink()

    (finding,) = found_in(configured, "is offline")

    assert finding.severity is Severity.ERROR
    assert finding.what.startswith("library vault at ")
    assert finding.what.count("offline") == 1
    assert finding.hint


def test_a_landing_directory_that_cannot_be_read_is_an_error(configured):
    configured.landing.rmdir()

    (finding,) = found_in(configured, "db1/pg")

    assert finding.severity is Severity.ERROR


def test_what_others_can_read_is_a_warning_with_the_command_that_ends_it(configured):
    os.chmod(configured.home.path, 0o755)  # noqa: S103 - the fault itself

    (finding,) = found_in(configured, "mode 0755")

    assert finding.severity is Severity.WARNING
    assert finding.hint.startswith("chmod 0700 ")


def test_a_damaged_catalog_is_an_error_and_ends_the_look(configured):
    configured.home.catalog.write_bytes(b"not a database" * 1000)

    findings = examine(configured.home)

    assert Severity.ERROR in severities(findings)
    assert not any("library" in finding.what for finding in findings)


def test_a_catalog_without_a_recent_copy_is_a_warning(configured):
    copy = configured.home.backups / "catalog-20260101.db"
    copy.write_bytes(b"")
    os.utime(copy, (0, 0))

    (finding,) = found_in(configured, "copy of the catalog")

    assert finding.severity is Severity.WARNING


def test_a_service_is_judged_by_its_lock_and_then_by_its_heartbeat(tmp_path):
    home = Home(tmp_path)

    assert severities(examining._service(home, service(state="stopped"), NOW)) == [Severity.INFO]
    assert severities(examining._service(home, service(), NOW)) == [Severity.WARNING]
    lock = ServiceLock(home.service_lock)
    try:
        assert severities(examining._service(home, service(), NOW)) == [Severity.INFO]
        silent = service(heartbeat_at=NOW - timedelta(minutes=5))
        (finding,) = examining._service(home, silent, NOW)
        assert finding.severity is Severity.ERROR
        assert "4711" in finding.what
    finally:
        lock.release()


def test_a_clock_that_went_back_is_an_error():
    assert list(examining._clock(service(), NOW)) == []

    (finding,) = examining._clock(service(), NOW - timedelta(hours=3))
    assert "went back" in finding.what
    stopped = service(heartbeat_at=None, started_at=None)
    (finding,) = examining._clock(stopped, datetime(1970, 1, 2, tzinfo=UTC))
    assert "1970-01-02" in finding.what


def test_an_identity_file_that_cannot_be_used_is_a_warning(configured, tmp_path):
    loose = tmp_path / "key"
    loose.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    loose.chmod(0o644)
    configured.apply(commcell=f'age_identity_files = ["{loose}", "/missing"]')

    found = [*found_in(configured, "others may read it"), *found_in(configured, "/missing")]

    assert [finding.severity for finding in found] == [Severity.WARNING] * 2
