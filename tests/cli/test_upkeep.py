"""verify, repair, aging, promote and catalog rebuild on the command line."""

from __future__ import annotations

import shutil

from tests.control.test_verification import flip


def test_verify_finds_repair_mends(copied):
    program = copied
    (directory,) = list(program.cell.on_media().values())[:1]
    data = next(path for path in (directory / "data").rglob("*") if path.is_file())
    flip(data)

    found = program("verify", "databases/offsite", "--wait", "--json")
    mended = program("repair", "databases/offsite", directory.name, "--wait", "--json")
    again = program("verify", "databases", "--all", "--wait", "--json")

    assert found.code == 1
    assert found.document["state"] == "completed_with_errors"
    (error,) = found.document["errors"]
    assert error["backup_job_id"] == int(directory.name)
    assert (mended.code, mended.document["state"]) == (0, "completed")
    assert again.code == 0


def test_aging_says_what_it_would_do(copied):
    program = copied

    said = program("aging", "--dry-run")
    document = program("aging", "--dry-run", "--json").document
    done = program("aging", "--wait")

    assert "0 job copies would go" in said.out
    assert {one["ages"] for one in document["job_copies"]} == {False}
    assert "kept for ever" in {one["reason"] for one in document["job_copies"]}
    assert done.code == 0


def test_nothing_to_release(copied):
    assert copied("aging", "--release", "databases", "--json").document["released"] == []


def test_the_catalog_is_rebuilt(copied):
    program = copied
    before = program("copies", "databases/offsite", "--json").document["job_copies"]
    program("service", "stop")
    shutil.rmtree(program.cell.home.path)

    applied = program("apply", str(program.site))
    rebuilt = program("catalog", "rebuild", "--library", "vault")
    after = program("copies", "databases/offsite", "--json").document["job_copies"]

    assert (applied.code, rebuilt.code) == (75, 0), rebuilt.err  # until then it is a stranger's
    assert "rebuilt from vault" in rebuilt.out
    assert "not known: the history of jobs" in rebuilt.err
    there = [one["backup_job_id"] for one in before if one["state"] == "available"]
    assert [one["backup_job_id"] for one in after] == there
    assert {one["state"] for one in after} == {"available"}


def test_what_is_wrong_is_refused(copied):
    program = copied

    assert program.within("verify", "databases", "--new", "--all").code == 2
    assert program.within("aging", "--dry-run", "--confirm").code == 2
    assert program.within("verify", "databases", "--here").code == 2
    assert program.within("repair", "databases", "1").code == 2
    assert program("repair", "databases/offsite", "99").code == 4
    assert program("promote", "databases/nowhere").code == 4
    assert program("promote", "databases/offsite").code == 2
    assert program("catalog", "rebuild", "--library", "nowhere").code in (2, 4)
