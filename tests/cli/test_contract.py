"""The shapes and exit codes that scripts rely on, on a CommCell that has copied something."""

from __future__ import annotations

from datetime import datetime

JOB_KEYS = [
    "job_id",
    "operation",
    "policy",
    "copies",
    "state",
    "phase",
    "reason",
    "until",
    "priority",
    "initiated_by",
    "created_at",
    "started_at",
    "ended_at",
    "backup_jobs_total",
    "backup_jobs_done",
    "backup_jobs_failed",
    "backup_jobs_skipped",
    "bytes_total",
    "bytes_done",
    "bytes_per_second",
    "seconds_left",
    "streams",
    "streams_limited_by",
    "attempts",
    "errors",
]
LEDGER_KEYS = [
    "backup_job_id",
    "client",
    "subclient",
    "level",
    "started_at",
    "state",
    "reason",
    "next_step",
    "bytes",
    "files",
    "chunks",
    "chunks_done",
    "copied_at",
    "verification",
    "verified_at",
    "retain_until",
    "retained_by",
]


def test_jobs_lists_with_every_key(copied):
    said = copied.as_process("jobs", "--json")

    assert said.code == 0
    (job,) = said.document["jobs"]
    assert set(JOB_KEYS) <= set(job)
    assert (job["state"], job["operation"], job["policy"]) == ("completed", "auxcopy", "databases")
    assert job["copies"] == ["offsite"]
    assert job["bytes_done"] == job["bytes_total"] == 200_000
    assert datetime.fromisoformat(job["ended_at"]).tzinfo is not None
    assert job["errors"] == []


def test_jobs_filters(copied):
    assert copied.within("jobs", "--active", "--json").document == {"jobs": []}
    assert len(copied.within("jobs", "--history", "--json").document["jobs"]) == 1
    assert copied.within("jobs", "--state", "failed", "--json").document == {"jobs": []}
    assert copied.within("jobs", "--operation", "restore", "--json").document == {"jobs": []}
    assert (
        len(
            copied.within("jobs", "--since", "7d", "--state", "completed", "--json").document[
                "jobs"
            ]
        )
        == 1
    )
    assert copied.within("jobs", "--policy", "other", "--json").document == {"jobs": []}


def test_job_show_is_one_job(copied):
    number = copied.within("jobs", "--json").document["jobs"][0]["job_id"]

    said = copied("job", "show", str(number), "--json")

    assert said.document["job_id"] == number
    assert set(JOB_KEYS) <= set(said.document)
    assert "completed" in copied.within("job", "show", str(number)).out


def test_a_plan_has_every_backup_job_with_its_reason(copied):
    said = copied.within("auxcopy", "databases", "--dry-run", "--json")

    plan = said.document
    assert {"policy", "copies", "bytes_total", "fits_before", "backup_jobs"} <= set(plan)
    keys = {"backup_job_id", "client", "subclient", "level", "copy", "taken", "reason", "bytes"}
    assert all(keys <= set(line) for line in plan["backup_jobs"])
    assert all(line["reason"] for line in plan["backup_jobs"])
    assert [line["taken"] for line in plan["backup_jobs"]].count(True) == 1


def test_the_ledger_has_every_key(copied):
    document = copied("copies", "databases/offsite", "--json").document

    assert (document["policy"], document["copy"]) == ("databases", "offsite")
    assert len(document["job_copies"]) == 3
    assert all(set(LEDGER_KEYS) <= set(line) for line in document["job_copies"])
    by_state = copied.within(
        "copies", "databases/offsite", "--state", "to-be-copied", "--json"
    ).document
    assert [line["state"] for line in by_state["job_copies"]] == ["to_be_copied"]


def test_the_ledger_of_a_policy_has_all_copies(copied):
    document = copied.within("copies", "databases", "--json").document

    assert {line["copy"] for line in document["job_copies"]} == {"primary", "offsite"}


def test_names_from_a_disk_reach_the_terminal_inert(copied):
    said = copied("copies", "databases/offsite")

    assert "\x1b" not in said.out
    assert r"late\x1b[2J.dump" in said.out
    assert "b [bold]x.dump" in said.out


def test_tables_are_plain_and_whole_where_there_is_no_terminal(copied):
    lines = copied("copies", "databases/offsite").out.splitlines()

    assert lines[0].split()[:4] == ["JOB", "COPY", "CLIENT", "SUBCLIENT"]
    assert len(lines) == 4
    assert not any(char in "".join(lines) for char in "│─┃…")


def test_why_says_one_sentence_and_the_next_step(copied):
    lines = copied.within("copies", "databases/offsite", "--json").document["job_copies"]
    number = {line["state"]: str(line["backup_job_id"]) for line in lines}

    there = copied("why", number["available"], "databases/offsite", "--json").document
    owed = copied("why", number["to_be_copied"], "databases/offsite", "--json").document

    assert there["state"] == "available"
    assert "is available since" in there["sentence"]
    assert owed["state"] == "to_be_copied"
    assert owed["reason"]
    assert "auxtui auxcopy databases" in owed["next_step"]
    assert owed["sentence"] in copied.within("why", number["to_be_copied"], "databases/offsite").out


def test_exporting_and_applying_changes_nothing(copied, tmp_path):
    exported = tmp_path / "exported.toml"
    exported.write_text(copied.within("export").out)

    said = copied("apply", str(exported), "--json")

    assert said.code == 0
    assert said.document["changes"] == []
    assert copied.as_process("apply", "-", text=exported.read_text()).out == "nothing to change\n"


def test_doctor_and_catalog_check_find_nothing(copied):
    findings = copied.as_process("doctor", "--json")  # it looks at the encoding of the terminal
    check = copied("catalog", "check", "--json")

    assert findings.code == 0
    assert all({"severity", "what", "hint"} <= set(f) for f in findings.document["findings"])
    assert {f["severity"] for f in findings.document["findings"]} == {"info"}
    assert check.document == {"findings": []}
    assert copied.within("catalog", "check").out == "the catalog is well\n"


def test_the_catalog_is_backed_up_under_a_free_name_only(copied, tmp_path):
    target = tmp_path / "copy.db"

    said = copied("catalog", "backup", str(target), "--json")

    assert said.document == {"file": str(target), "bytes": target.stat().st_size}
    assert copied.within("catalog", "backup", str(target)).code == 2


def test_restore_gives_the_bytes_back(copied, tmp_path):
    lines = copied.within("copies", "databases/offsite", "--state", "available", "--json").document
    number = min(line["backup_job_id"] for line in lines["job_copies"])

    said = copied(
        "restore",
        str(number),
        "--to",
        str(tmp_path / "back"),
        "--copy",
        "offsite",
        "--wait",
        "--json",
    )

    assert said.code == 0, said.err
    assert said.document["operation"] == "restore"
    restored = next((tmp_path / "back").rglob("*.dump"))
    assert restored.read_bytes() == (copied.cell.landing / restored.name).read_bytes()
    again = copied.within("restore", str(number), "--to", str(tmp_path / "back"), "--wait")
    assert again.code != 0
    assert restored.read_bytes() == (copied.cell.landing / restored.name).read_bytes()


def test_the_service_is_known_by_its_state(copied):
    assert copied.within("service", "start", "--json").document["running"] is True
    status = copied("service", "status", "--json").document

    assert status["state"] == "running"
    assert isinstance(status["pid"], int)
    assert {"host", "since", "heartbeat_at", "epoch", "version"} <= set(status)


def test_the_unit_names_what_is_read_and_what_is_written(copied):
    unit = copied.within("service", "unit").out

    root = copied.cell.root
    assert f"ReadWritePaths={copied.cell.home.path}\n" in unit
    assert f"ReadWritePaths=-{root}/vault\n" in unit
    assert f"ReadOnlyPaths=-{root}/landing\n" in unit
    assert "ProtectSystem=strict" in unit
