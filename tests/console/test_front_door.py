"""The console's door on a real home: what the dialog and the screens ask for is there afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from auxtui.cli.main import main
from auxtui.door import FrontDoor
from engine.catalog.live import LiveCatalog
from engine.model.states import JobState
from engine.policy.values import RunOptions
from tests.cell import Cell


def test_schedules_activity_scripts_and_resubmission(cell: Cell, tmp_path, capsys):
    cell.apply()
    cell.dump("pg.dump", 10_000)
    cell.scan()
    door, options = FrontDoor(cell.home), RunOptions(copies=("offsite",), streams=1, retries=0)

    door.schedule_auxcopy(
        "databases", options, name="nightly", when="daily at 22:00", time_zone="Europe/Berlin"
    )
    door.schedule("nightly", "disable")
    until = datetime.now(UTC) + timedelta(hours=2)
    door.switch_activity("commcell", on=False, off_until=until)
    with LiveCatalog(cell.home.catalog) as live:
        made = next(one for one in live.schedules() if one.name == "nightly")
        off = live.switched_off()

    assert (made.spec, made.time_zone, made.enabled) == ("daily at 22:00", "Europe/Berlin", False)
    assert made.options == {"copies": ["offsite"], "streams": 1, "retries": 0}
    assert [(one.node, one.off_until) for one in off] == [("commcell", until)]

    door.switch_activity("commcell", on=True)
    script = tmp_path / "run.toml"
    door.save_script("databases", options, str(script))
    assert main(["auxcopy", "--home", str(cell.home.path), "--script", str(script), "--wait"]) == 0
    with LiveCatalog(cell.home.catalog) as live:
        (job,) = live.recent_jobs(datetime.now(UTC) - timedelta(hours=1))
    assert job.state is JobState.COMPLETED
    assert {key: job.options[key] for key in ("copies", "streams", "retries")} == made.options
    again = cell.wait(door.resubmit(job.id))
    assert again.options == job.options
