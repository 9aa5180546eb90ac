from __future__ import annotations

from datetime import UTC, datetime

from auxtui.app import ConsoleApp
from auxtui.frame import State, title_cells
from auxtui.present import Look
from auxtui.zone import in_zone
from engine.catalog.home import Home
from engine.catalog.live import LiveCatalog

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def test_the_console_tells_times_in_the_zone_of_the_commcell(home):
    app = ConsoleApp(home, clock=lambda: NOON, is_alive=lambda: True)

    assert app.look.time(NOON) == "14:00:00"


def test_without_a_catalog_the_zone_is_that_of_the_host(tmp_path):
    app = ConsoleApp(Home(tmp_path), clock=lambda: NOON, is_alive=lambda: False)

    assert app.look.zone is None


def test_a_zone_that_is_not_that_of_the_host_is_named_beside_the_commcell(home):
    with LiveCatalog(home.catalog) as live:
        state = State(estate=live.estate())
    here = NOON.astimezone().utcoffset()
    names = ("Asia/Kolkata", "America/New_York")
    looks = [in_zone(Look(clock=lambda: NOON), name) for name in names]
    foreign = next(look for look in looks if NOON.astimezone(look.zone).utcoffset() != here)

    left, _ = title_cells(["jobs"], state, foreign)

    assert left[1].text == f"hq ({foreign.zone_name}) / jobs"
