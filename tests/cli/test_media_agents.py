"""The MediaAgents on the command line, and whom a job tells of its end."""

from __future__ import annotations


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
    assert unknown.error["error"] == "there is no MediaAgent mars"


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
