"""What surrounds the commands: imports, the edge where errors end, output, the unit file."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from auxtui.cli import output
from auxtui.cli.edge import guarded
from auxtui.cli.main import COMMANDS, main
from auxtui.cli.unit import unit_text
from auxtui.cli.words import one_of, policy_and_copy
from engine.model.errors import UsageError

HEAVY = ("textual", "sqlmodel", "sqlalchemy", "rich")


IMPORTING = f"""
import json, sys
from auxtui.cli.main import main
for arguments in json.loads(sys.argv[1]):
    assert main(arguments) == 0, arguments
    found = [name for name in {HEAVY!r} if name in sys.modules]
    assert not found, (arguments, found)
print("done")
"""


def assert_nothing_heavy_is_imported(*commands: list[str]) -> None:
    """No heavy package is there after any of these commands, run one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "done"


def test_help_and_version_import_nothing_heavy():
    assert_nothing_heavy_is_imported(["--help"], ["--version"], ["auxcopy", "--help"])


def test_listing_imports_nothing_heavy(copied):
    home = ["--home", str(copied.cell.home.path)]
    number = str(copied("jobs", "--json").document["jobs"][0]["job_id"])

    assert_nothing_heavy_is_imported(
        [*home, "jobs"],
        [*home, "jobs", "--json"],
        [*home, "job", "show", number],
        [*home, "copies", "databases/offsite"],
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert main([name, "--help"]) == 0

    out = capsys.readouterr().out
    assert f"Usage: auxtui {name}" in out
    assert "install-completion" not in out


def test_help_names_every_command_and_the_exit_codes(capsys):
    assert main(["--help"]) == 0

    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)
    assert "75 try again later" in " ".join(out.split())


def test_the_version_is_one_line(capsys):
    assert main(["--version"]) == 0

    assert capsys.readouterr().out.startswith("auxtui ")


def test_completion_knows_commands_and_names(copied):
    environment = {
        **copied.environment(),
        "_AUXTUI_COMPLETE": "complete_bash",
        "COMP_WORDS": "auxtui copies data",
        "COMP_CWORD": "2",
    }

    done = subprocess.run(
        [sys.executable, "-m", "auxtui"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert "databases/offsite" in done.stdout.split()


def test_a_bug_goes_to_the_log_and_not_to_the_terminal(tmp_path, capsys, monkeypatch):
    def broken(*_arguments, **_options):
        raise ZeroDivisionError("a bug\x1b[2J")

    monkeypatch.setattr("engine.catalog.live.LiveCatalog.__init__", broken)

    assert main(["--home", str(tmp_path), "jobs"]) == 1

    err = capsys.readouterr().err
    assert err.startswith("auxtui: internal error: ZeroDivisionError: a bug\\x1b[2J\n")
    assert "Traceback" not in err
    assert str(tmp_path / "service.log") in err
    log = (tmp_path / "service.log").read_text()
    assert "auxtui --home" in log
    assert "ZeroDivisionError" in log
    assert "in broken" in log
    assert (tmp_path / "service.log").stat().st_mode & 0o077 == 0


def test_a_bug_is_a_document_for_programs(tmp_path, capsys, monkeypatch):
    def broken(*_arguments, **_options):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("engine.catalog.live.LiveCatalog.__init__", broken)

    assert main(["--home", str(tmp_path), "jobs", "--json"]) == 1

    assert "internal error" in json.loads(capsys.readouterr().err)["error"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_fitted_table_with_names_untouched(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    output.write_table(["name", "size"], [["[bold]x[/] :smile: \x1b[2J", 1]], numbers=["size"])

    text = terminal.getvalue()
    assert "[bold]x[/] :smile:" in text
    assert "\x1b[2J" not in text
    assert "NAME" not in text


def test_no_color_gives_a_plain_table_on_a_terminal_too(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")

    output.write_table(["name", "size"], [["x" * 200, None]], numbers=["size"])

    assert terminal.getvalue() == f"NAME{' ' * 196}  SIZE\n{'x' * 200}     -\n"


def test_words_are_found_with_hyphens_and_in_any_case():
    assert one_of("To-Be-Copied", ["to_be_copied", "bad"], "state") == "to_be_copied"
    with pytest.raises(UsageError, match='did you mean "bad"'):
        one_of("bda", ["to_be_copied", "bad"], "state")


@pytest.mark.parametrize("text", ["", "/", "a/", "/b", "a/b/c"])
def test_what_is_no_policy_and_copy_is_refused(text):
    with pytest.raises(UsageError):
        policy_and_copy(text)


def unit(**changed) -> str:
    values = {
        "home": "/var/lib/auxtui",
        "python": "/opt/auxtui/bin/python",
        "landings": ["/srv/dumps"],
        "libraries": ["/mnt/vault"],
        "for_user": False,
    }
    return unit_text(**{**values, **changed})


def test_the_unit_is_read_by_systemd_as_it_is_meant():
    text = unit(home="/var/lib/a b%c", libraries=["/mnt/$x"])

    assert 'ExecStart=/opt/auxtui/bin/python -m auxtui --home "/var/lib/a b%%c" service run' in text
    assert 'ReadWritePaths="/var/lib/a b%%c"\n' in text
    assert "ReadWritePaths=-/mnt/$$x\n" in text
    assert "ReadOnlyPaths=-/srv/dumps\n" in text
    with pytest.raises(UsageError):
        unit(home="/var/lib/x\nExecStartPre=/bin/evil")


def test_a_landing_directory_inside_a_library_is_read_only_too():
    text = unit(landings=["/mnt/vault/dumps", "/mnt/vault/dumps"])

    assert text.count("ReadOnlyPaths=-/mnt/vault/dumps\n") == 1
    assert "ReadWritePaths=-/mnt/vault\n" in text


def test_paths_below_tmp_are_not_hidden_from_the_service():
    assert "PrivateTmp=yes" in unit()
    assert "PrivateTmp" not in unit(libraries=["/tmp/vault"])


def test_a_unit_of_a_user_has_only_what_a_user_manager_can_do():
    text = unit(for_user=True)

    assert "\nUser=" not in text
    assert "CapabilityBoundingSet" not in text
    assert "WantedBy=default.target" in text
    assert "\nUser=" in unit()


def test_a_service_of_another_version_of_the_catalog_is_stopped(auxtui):
    assert auxtui.configure().code == 0
    assert auxtui.within("service", "start").code == 0
    with closing(sqlite3.connect(auxtui.cell.home.catalog)) as catalog, catalog:
        catalog.execute("UPDATE alembic_version SET version_num = 'r9999'")

    refused = auxtui.within("scan")
    stopped = auxtui("service", "stop", "--json")
    again = auxtui.within("service", "stop", "--json")

    assert refused.code == 1
    assert "newer auxtui" in refused.err
    assert stopped.document == {"running": False, "was_running": True}
    assert again.document == {"running": False, "was_running": False}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is full: Linux has it")
def test_an_answer_that_cannot_be_written_is_no_bug(copied):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "auxtui", "jobs"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=copied.environment(),
            timeout=240,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "auxtui: cannot write the answer: no space left on device"
    assert len(done.stderr.splitlines()) == 2


def test_what_fails_while_it_is_read_for_the_answer_is_not_the_output(
    tmp_path, capsys, monkeypatch
):
    def rows():
        yield ["1"]
        raise OSError(5, "a disk that cannot be read")

    def lists() -> int:
        output.write_table(["job"], rows())
        return 0

    assert guarded(lists, ["--home", str(tmp_path), "jobs"]) == 1
    err = capsys.readouterr().err
    assert "internal error: OSError" in err
    assert "cannot write" not in err
