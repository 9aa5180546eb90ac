"""The MediaAgents on the command line, and whom a job tells of its end."""

from __future__ import annotations

import os


def test_media_agents_tell_their_state_and_their_paths(auxtui):
    assert auxtui.configure().code == 0
    program = auxtui.within
    listed = program("media-agent", "list")
    (agent,) = program("media-agent", "list", "--json").document["media_agents"]
    shown = program("media-agent", "show", "here")
    unknown = program("media-agent", "show", "mars", "--json")

    assert "online" in listed.out
    assert (agent["media_agent"], agent["state"], agent["reasons"]) == ("here", "online", [])
    assert [path["library"] for path in agent["paths"]] == ["vault"]
    assert str(auxtui.cell.root / "vault") in shown.out
    assert unknown.code == 4
    assert unknown.error["error"] == 'there is no MediaAgent "mars"'
    assert unknown.error["hint"] == "there is: here"
    (library,) = program("library", "list", "--json").document["libraries"]
    assert agent["checked_at"] == library["checked_at"] is not None
    assert library["checked_at"][:4] in listed.out


def test_a_library_that_is_not_there_is_told_with_the_nearest_one(auxtui):
    assert auxtui.configure().code == 0
    refused = auxtui.within("library", "show", "vaullt")

    assert refused.code == 4
    assert 'there is no library "vaullt"; did you mean "vault"?' in refused.err


def test_a_damaged_marker_is_written_anew_as_it_was(auxtui):
    assert auxtui.configure().code == 0
    marker = auxtui.cell.root / "vault" / "auxtui-library.json"
    kept = marker.read_bytes()
    marker.write_bytes(kept[:-40])
    damaged = auxtui.within("library", "test", "vault")
    lost = auxtui.within("library", "show", "vault", "--json").document
    printed = auxtui.within("library", "marker", "vault")
    marker.write_text(printed.out)

    assert (damaged.code, printed.code) == (75, 0)
    assert "`auxtui library marker vault` prints" in damaged.err
    assert printed.out.encode() == kept
    assert (lost["state"], "damaged" in lost["reason"]) == ("offline", True)
    assert auxtui.within("library", "test", "vault").code == 0
    assert auxtui.within("library", "show", "vault", "--json").document["state"] == "online"
    (agent,) = auxtui.within("media-agent", "list", "--json").document["media_agents"]
    assert agent["state"] == "online"  # by its data path, which was looked through


def test_what_the_doctor_finds_is_the_state_of_a_library(auxtui):
    assert auxtui.configure().code == 0
    marker = auxtui.cell.root / "vault" / "auxtui-library.json"
    marker.rename(marker.with_suffix(".away"))

    assert auxtui.within("doctor").code != 0
    (lost,) = auxtui.within("library", "list", "--json").document["libraries"]
    marker.with_suffix(".away").rename(marker)
    auxtui.within("doctor")
    (back,) = auxtui.within("library", "list", "--json").document["libraries"]

    assert (lost["state"], back["state"]) == ("offline", "online")
    assert "no marker" in lost["reason"]
    assert back["reason"] == ""


def test_what_another_account_finds_is_not_the_state_of_a_library(auxtui, monkeypatch):
    assert auxtui.configure().code == 0
    (auxtui.cell.root / "vault" / "auxtui-library.json").unlink()
    monkeypatch.setattr("engine.control.looking.os.geteuid", lambda: os.getuid() + 1)

    assert auxtui.within("library", "test", "vault").code == 75
    assert auxtui.within("library", "show", "vault", "--json").document["state"] == "online"


def test_a_change_is_told_in_words_of_the_site_file(auxtui):
    assert auxtui.configure().code == 0
    window = """
[windows.office]
on = ["commcell"]
operations = ["auxcopy"]
do_not_run = [{days = "mon-fri", from = "08:00", to = "18:00"}, {days = "sun", from = "00:00", to = "24:00"}]
let_running_jobs_finish = true
"""
    auxtui.site.write_text(auxtui.site.read_text() + window)
    told = auxtui.within("apply", str(auxtui.site))

    assert "do_not_run=days=mon-fri,from=08:00,to=18:00; days=sun," in told.out, told.err
    assert "let_running_jobs_finish=true" in told.out, told.err


def test_a_job_says_whom_it_tells(auxtui):
    assert auxtui.configure().code == 0
    auxtui.cell.dump("a.dump")
    program = auxtui.within
    assert program("scan").code == 0
    text = auxtui.site.read_text()
    auxtui.site.write_text(text + '\n[alerts.hook]\non = []\nto = "exec:///bin/true"\n')
    assert program("apply", str(auxtui.site)).code == 0
    refused = program("auxcopy", "databases", "--alert", "mail")
    job = program(
        "auxcopy", "databases", "--alert", "hook", "--alert-when", "errors", "--suspended", "--json"
    )

    assert refused.code == 4
    assert "there is no alert mail" in refused.err
    shown = program("job", "show", str(job.document["job_id"])).out
    assert "hook, when it ends with errors, fails or is killed" in shown
    assert "jobs that name it" in program("alert", "list").out
