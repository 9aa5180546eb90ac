"""Data paths on the running service: one that is offline is not taken, another one takes over."""

import pytest

from auxtui.cli.examining import examine
from auxtui.health import Trouble, troubles
from engine.catalog.live import LiveCatalog
from engine.catalog.live_values import LiveMediaAgent
from engine.control import frontdoor
from engine.model.errors import SiteError
from engine.model.states import RequestKind, Severity
from engine.policy.values import RunOptions
from tests.cell import Cell
from tests.control.upkeep import events_of, plan_of, verify

TWO_WAYS = """
[media_agents.there]
max_streams = 1

[libraries.shared]
url = "{root}/shared"
media_agents = ["here", "there"]
paths = {{there = "{root}/way"}}

[policies.databases.copies.wide]
kind = "synchronous"
library = "shared"
"""


def apply_two_ways(cell: Cell) -> None:
    cell.apply(TWO_WAYS.format(root=cell.root))
    (cell.root / "shared").rename(cell.root / "disk")
    (cell.root / "way").symlink_to(cell.root / "disk")


def agents(cell: Cell) -> dict[str, LiveMediaAgent]:
    with LiveCatalog(cell.home.catalog) as live:
        return {agent.name: agent for agent in live.estate().media_agents}


def troubles_of(cell: Cell) -> tuple[Trouble, ...]:
    with LiveCatalog(cell.home.catalog) as live:
        return troubles(live.estate(), None)


def states(cell: Cell, agent: str) -> dict[str, str]:
    return {path.library: path.state for path in agents(cell)[agent].paths}


def test_the_next_data_path_takes_over_when_the_default_one_is_offline(cell: Cell) -> None:
    cell.dump("one.dump")
    apply_two_ways(cell)
    cell.scan()
    job = cell.run(copies=("wide",), retries=0)

    assert job.state == "completed"
    cell.assert_copied("disk", "wide")
    assert states(cell, "here")["shared"] == "offline"
    assert (agents(cell)["there"].state, states(cell, "there")) == ("online", {"shared": "online"})
    assert [trouble.text.split(":")[0] for trouble in troubles_of(cell)] == [
        "MediaAgent here does not reach library shared"
    ]
    (told,) = events_of(cell, "path.offline")
    assert "MediaAgent here to library shared is offline: library shared at " in told.message
    assert verify(cell, copy="wide").state == "completed"

    cell.dump("two.dump")
    cell.scan()
    plan = frontdoor.preview(cell.home, "databases", RunOptions(copies=("wide",)))
    assert [path["media_agents"] for path in plan["paths"]] == [["there"]]
    assert plan["paths"][0]["reason"].startswith("MediaAgent there; not here: library shared at ")
    (cell.root / "shared").symlink_to(cell.root / "disk")
    again = cell.run(copies=("wide",))
    assert again.state == "completed"
    assert states(cell, "here")["shared"] == "online"
    assert len(events_of(cell, "path.online")) == 1
    assert plan_of(cell, again.id)["paths"] == plan["paths"]  # as it was known when it began


def test_the_doctor_tells_one_way_that_is_gone_from_a_library_that_is(cell: Cell) -> None:
    apply_two_ways(cell)

    (told,) = [found for found in examine(cell.home) if "library shared" in found.what][:1]
    assert told.severity is Severity.WARNING
    assert told.what.startswith("MediaAgent here does not reach library shared: ")

    (cell.root / "way").unlink()
    errors = [found.what for found in examine(cell.home) if found.severity is Severity.ERROR]
    offline = [what for what in errors if what.startswith("library shared at ")]
    assert [what.endswith("is offline: no such file or directory") for what in offline] == [
        True
    ] * 2


def test_a_path_that_breaks_during_a_run_hands_over_to_the_next_one(cell: Cell) -> None:
    for number in range(3):
        cell.dump(f"{number}.dump", 1 << 20)
    apply_two_ways(cell)
    (cell.root / "shared").symlink_to(cell.root / "disk")
    cell.scan()
    job_id = cell.start(copies=("wide",), streams=1, scalable=False, throttle_bps=100_000)
    cell.until(job_id, lambda job: job.bytes_done > 0)
    (cell.root / "shared").unlink()
    request = {"throttle_bps": None}
    frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, request, by="test")
    job = cell.wait(job_id)

    assert (job.state, job.attempts, job.backup_jobs_done) == ("completed", 2, 3)
    cell.assert_copied("disk", "wide")
    assert len(events_of(cell, "path.offline")) == 1


def test_a_run_that_asks_for_a_media_agent_whose_path_is_offline_says_so(cell: Cell) -> None:
    cell.dump("one.dump")
    apply_two_ways(cell)
    cell.scan()
    job = cell.run(copies=("wide",), source_media_agent="here", retries=0)

    assert (job.state, job.exit_code) == ("failed", 75)
    assert "the data path of MediaAgent here to shared is offline" in job.reason
    assert (job.errors, job.backup_jobs_failed) == (1, 1)


def test_a_media_agent_is_offline_when_it_reaches_nothing(cell: Cell) -> None:
    cell.dump("one.dump")
    apply_two_ways(cell)
    assert agents(cell)["there"].state == "online"
    (cell.root / "way").unlink()
    cell.scan()
    job = cell.run(copies=("wide",), retries=0)

    assert (job.state, job.exit_code) == ("failed", 75)
    assert agents(cell)["there"].state == "offline"
    assert agents(cell)["here"].state == "online"  # it reaches the other libraries
    assert all("library shared at " in reason for reason in agents(cell)["there"].reasons)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ('{mars = "/net/x"}', "mars"),
        ('{there = "net/x"}', "absolute"),
        ('{there = "gopher://x/y"}', "no kind of library"),
        ("{there = 1}", "must be a text"),
        ('"there"', "must be a table"),
    ],
)
def test_wrong_paths_are_refused_at_their_key_and_change_nothing(
    cell: Cell, paths: str, said: str
) -> None:
    cell.apply()
    text = TWO_WAYS.format(root=cell.root).replace(f'{{there = "{cell.root}/way"}}', paths)
    with pytest.raises(SiteError, match=said) as refused:
        cell.apply(text)

    assert "libraries.shared.paths" in str(refused.value) or "line" in str(refused.value)
    assert set(agents(cell)) == {"here"}
