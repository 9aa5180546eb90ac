"""Wrong use: an exit code, one message, nothing changed, never a traceback."""

from __future__ import annotations

import json
import os

import pytest

from auxtui.cli.main import main
from engine.catalog.events import events
from engine.catalog.opening import open_catalog
from tests.cli.conftest import SITE

REFUSED = [
    # arguments, exit code, word of the message
    (["jobz"], 2, "jobz"),
    (["--wrong"], 2, "--wrong"),
    (["jobs", "--wrong"], 2, "--wrong"),
    (["jobs", "--state", "complted"], 2, "completed"),
    (["jobs", "--operation", "auxcpy"], 2, "auxcopy"),
    (["jobs", "--since", "yesterday"], 2, "duration"),
    (["jobs", "--active", "--history"], 2, "exclude"),
    (["jobs", "--limit", "0"], 2, "limit"),
    (["job"], 2, "command"),
    (["job", "show"], 2, "ID"),
    (["job", "show", "x"], 2, "x"),
    (["job", "show", "0"], 2, "greater than"),
    (["job", "show", "9223372036854775808"], 2, "less than"),
    (["job", "show", "999"], 4, "999"),
    (["job", "wait", "999"], 4, "999"),
    (["job", "kill", "999"], 4, "999"),
    (["job", "priority", "999", "10"], 2, "less than or equal to 9"),
    (["job", "throttle", "999", "fast"], 2, "rate"),
    (["watch", "999"], 4, "999"),
    (["copies", "databses"], 4, '"databases"'),
    (["copies", "databases/ofsite"], 4, '"offsite"'),
    (["copies", "databases/"], 2, "POLICY/COPY"),
    (["copies", "a/b/c"], 2, "POLICY/COPY"),
    (["copies", "databases", "--state", "to-be-coped"], 2, "to-be-copied"),
    (["copies", "\x1b[31mx"], 4, "\\x1b[31mx"),
    (["why", "999", "databases/offsite"], 4, "999"),
    (["why", "1", "databases"], 2, "names no copy"),
    (["auxcopy"], 2, "policy"),
    (["auxcopy", "databses", "--dry-run"], 4, "databses"),
    (["auxcopy", "databases", "--copy", "ofsite", "--dry-run"], 4, "ofsite"),
    (["auxcopy", "databases", "--copy", "primary", "--dry-run"], 2, "primary"),
    (["auxcopy", "databases", "--streams", "0"], 2, "streams"),
    (["auxcopy", "databases", "--priority", "10"], 2, "priority"),
    (["auxcopy", "databases", "--retries", "-1"], 2, "retries"),
    (["auxcopy", "databases", "--total-time", "6"], 2, "duration"),
    (["auxcopy", "databases", "--throttle", "0MiB/s"], 2, "never copy"),
    (["auxcopy", "databases", "--kill-after-total-time", "--dry-run"], 2, "total time"),
    (["auxcopy", "databases", "--here"], 2, "--wait"),
    (["auxcopy", "databases", "--set", "streams=2"], 2, "--script"),
    (["auxcopy", "--script", "missing.toml"], 4, "missing.toml"),
    (["jobs", "--policy", "\udcff"], 2, "UTF-8"),
    (["copies", "\udcff/x"], 2, "UTF-8"),
    (["copies", "databases", "--client", "\udcff"], 2, "UTF-8"),
    (["auxcopy", "\udcff", "--dry-run"], 2, "UTF-8"),
    (["auxcopy", "databases", "--copy", "\udcff"], 2, "UTF-8"),
    (["auxcopy", "databases", "--description", "\udcff"], 2, "UTF-8"),
    (["scan", "\udcff"], 2, "UTF-8"),
    (["restore", "1", "--to", "x", "--copy", "\udcff"], 2, "UTF-8"),
    (["pick", "databases/\udcff", "1"], 2, "UTF-8"),
    (["apply", "missing.toml"], 4, "missing.toml"),
    (["apply", "."], 2, "cannot read"),
    (["apply"], 2, "FILE.toml"),
    (["restore", "1"], 2, "--to"),
    (["restore", "1", "--to", "x", "--here"], 2, "--wait"),
    (["pick", "databases", "1"], 2, "names no copy"),
    (["pick", "databases/offsite"], 2, "JOB"),
    (["catalog", "backup", "/nowhere/at/all/copy.db"], 2, "directory"),
    ([], 2, "terminal"),
]


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    from tests.cell import Cell
    from tests.cli.conftest import Program

    program = Program(Cell(tmp_path_factory.mktemp("refusals")))
    assert program.configure().code == 0
    yield program
    assert not program.cell.home.service_lock.exists()  # nothing refused has started a service
    program.cell.close()


@pytest.mark.parametrize(
    ("arguments", "code", "word"), REFUSED, ids=[" ".join(row[0])[:40] for row in REFUSED]
)
def test_wrong_use_is_one_message(configured, arguments, code, word, capsys):
    found = main(["--home", str(configured.cell.home.path), *arguments])

    said = capsys.readouterr()
    assert found == code, said.err
    assert said.out == ""
    assert word.lower() in said.err.lower()
    assert said.err.startswith("auxtui: ")
    assert len(said.err.strip().splitlines()) <= 2
    assert "\x1b" not in said.err


@pytest.mark.parametrize(
    "arguments",
    [["jobz"], ["jobs", "--state", "x"], ["job", "show", "999"], ["apply", "none"]],
    ids=" ".join,
)
def test_errors_are_documents_for_programs(configured, arguments):
    said = configured(*arguments, "--json")

    assert said.out == ""
    assert set(said.error) == {"error", "hint"}
    assert said.error["error"]


def test_a_wrong_site_file_leaves_no_home_behind(auxtui):
    auxtui.site.write_text(SITE.format(root=auxtui.cell.root).replace("landing =", "landng ="))

    said = auxtui("apply", str(auxtui.site))

    assert said.code == 2
    assert f"{auxtui.site}:9: " in said.err
    assert '"landing"' in said.err
    assert not auxtui.cell.home.path.exists()
    assert not (auxtui.cell.root / "vault").exists()


def test_a_site_file_that_is_no_text_is_refused_with_its_line(auxtui):
    auxtui.site.write_bytes(b"[commcell]\nname = '\xff'\n")

    said = auxtui("apply", str(auxtui.site), "--json")

    assert said.code == 2
    assert said.error["error"] == f"{auxtui.site}:2: a byte that is not UTF-8"


def test_a_dry_run_without_a_catalog_makes_none(auxtui):
    auxtui.site.write_text(SITE.format(root=auxtui.cell.root))

    said = auxtui("apply", str(auxtui.site), "--dry-run", "--json")

    assert said.code == 0
    assert {change["name"] for change in said.document["changes"]} >= {"vault", "db1/pg"}
    assert not auxtui.cell.home.path.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["jobs"],
        ["copies", "x"],
        ["export"],
        ["scan"],
        ["auxcopy", "x"],
        ["service", "start"],
        ["service", "status"],
        ["catalog", "check"],
        ["job", "kill", "1"],
    ],
    ids=" ".join,
)
def test_without_a_catalog_there_is_no_such_thing(tmp_path, arguments, capsys):
    found = main([*arguments, "--home", str(tmp_path / "home")])

    said = capsys.readouterr()
    assert found == 4
    assert "apply" in said.err
    assert not (tmp_path / "home").exists()


def test_doctor_says_when_the_home_is_a_file(tmp_path, capsys):
    (tmp_path / "home").write_text("")

    assert main(["doctor", "--home", str(tmp_path / "home"), "--json"]) == 1

    assert "is not a directory" in capsys.readouterr().out


def test_doctor_says_what_is_missing_on_a_new_host(auxtui):
    said = auxtui("doctor", "--json")

    assert said.code == 0
    warnings = [f for f in said.document["findings"] if f["severity"] == "warning"]
    assert any("no catalog" in f["what"] and "apply" in f["hint"] for f in warnings)


def test_the_home_can_be_named_before_and_after_the_command(auxtui, tmp_path):
    other = tmp_path / "other"

    before = auxtui("--home", str(other), "jobs", "--json")
    after = auxtui("jobs", "--json", "--home", str(other))

    assert before.error == after.error
    assert str(other) in before.error["error"]


def test_apply_with_a_library_of_another_commcell_is_no_success(auxtui) -> None:
    vault = auxtui.cell.root / "vault"
    vault.mkdir(exist_ok=True)
    marker = {"format": 1, "uuid": "u", "name": "vault", "commcell_id": "x", "commcell": "theirs"}
    (vault / "auxtui-library.json").write_text(json.dumps(marker))
    auxtui.site.write_text(SITE.format(root=auxtui.cell.root))

    said = auxtui("apply", str(auxtui.site))

    assert said.code == 75
    assert "belongs to another CommCell" in said.err
    assert "the configuration is applied, but library vault is offline" in said.err
    assert auxtui("export").code == 0


def test_retention_that_lets_job_copies_go_is_said_and_no_failure(auxtui) -> None:
    assert auxtui.configure().code == 0
    for day, name in enumerate(("a.dump", "b.dump", "c.dump")):
        os.utime(auxtui.cell.dump(name), 2 * (1_700_000_000 + 86_400 * day,))
    assert auxtui.within("scan").code == 0
    assert auxtui.within("auxcopy", "databases", "--wait").code == 0
    text = auxtui.site.read_text()
    auxtui.site.write_text(
        text.replace('library = "vault"', 'library = "vault"\nretain = "1d"\nretain_cycles = 2')
    )

    said = auxtui.within("apply", str(auxtui.site))

    assert "at the next data aging" in said.err
    assert (said.code, "offline" in said.err) == (0, False), said.err


def test_a_lost_catalog_has_one_advice_wherever_it_is_missed(auxtui) -> None:
    auxtui.cell.apply()
    auxtui.site.write_text(SITE.format(root=auxtui.cell.root))
    auxtui.cell.home.manifest(1).write_bytes(b"kept")
    auxtui.cell.home.catalog.unlink()

    said = [auxtui("jobs"), auxtui("doctor"), auxtui("apply", str(auxtui.site))]

    for each in said:
        assert each.code == 1
        assert (
            "catalog.db is missing, manifests of its backup jobs are there" in each.out + each.err
        )
        assert "auxtui catalog rebuild" in each.out + each.err
    assert not auxtui.cell.home.catalog.exists()


def test_the_status_of_a_service_that_died_is_a_failure(auxtui) -> None:
    auxtui.cell.apply()
    assert auxtui("service", "status").code == 0  # none ever ran
    assert auxtui.as_process("service", "start").code == 0
    auxtui.cell.kill9()

    said = auxtui("service", "status", "--json")

    assert said.code == 1
    assert said.document["state"] == "died"
    assert auxtui("service", "start").code == 0
    with open_catalog(auxtui.cell.home) as catalog, catalog.read() as session:
        died = [each for each in events(session) if each.code == "service.died"]
    assert [each.severity.value for each in died] == ["warning"]
