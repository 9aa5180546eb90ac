"""Schedules, operation windows, activity control and MediaAgents as the console shows them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from auxtui.contents import copy_facts
from auxtui.gates import SLOTS, gates, week_of
from auxtui.health import Grade, troubles
from auxtui.nodes import keys_by_node, node_words, zone_of_node
from auxtui.present import Look
from auxtui.rule_rows import window_row
from auxtui.screens.windows import week_facts
from engine.catalog.live import LiveCatalog
from engine.model.states import Operation
from tests.console.driving import sees
from tests.console.sample_catalog import NOW

BERLIN = "Europe/Berlin"


@pytest.fixture
def live(home):
    with LiveCatalog(home.catalog) as catalog:
        yield catalog


def test_gates_tell_what_is_closed_and_when_it_changes(live):
    found = {gate.node: gate for gate in gates(live, NOW)}

    assert found["media_agents.store2"].windows == ("night",)
    assert found["media_agents.store2"].until == NOW + timedelta(hours=2)
    assert found["media_agents.store1"].reasons == ()
    assert not found["media_agents.store1"].own
    assert found["clients.web1"].is_off
    assert found["clients.web1"].until == NOW + timedelta(hours=5)
    assert found["commcell"].reasons == ()
    assert found["commcell"].next_change == datetime(2026, 3, 16, 7, tzinfo=UTC)


def test_what_is_switched_off_is_a_warning_and_a_window_only_a_note(live):
    found = troubles(live.estate(), None, gates=gates(live, NOW), zone=UTC)

    told = {trouble.node: trouble for trouble in found}
    assert told["agent", 2].grade is Grade.NOTE
    assert "MediaAgent store2 is closed until 2026-03-14 05:00" in told["agent", 2].text
    assert told["client", 2].grade is Grade.WARNING
    assert found.index(told["client", 2]) < found.index(told["agent", 2])


def test_nothing_that_is_done_by_hand_only_is_called_well(live):
    estate = live.estate()
    everything = estate.schedules
    own = replace(everything[0], name="system-aging", operation=Operation.AGING, enabled=False)
    another = replace(own, name="mine", enabled=True)

    def told(*schedules):
        found = troubles(replace(estate, schedules=schedules), None)
        return [one.command for one in found if "by hand only" in one.text]

    assert told(*everything) == []
    assert told(own) == ["auxtui schedule enable system-aging"]
    assert told(own, another) == []


def test_a_window_tells_its_dates_and_is_in_force_whatever_operations_it_is_for(live):
    night = next(one for one in live.estate().windows if one.name == "night")
    day = {"first_day": "2026-03-14", "last_day": "2026-03-14"}
    period = {"days": "all", "from": "02:00", "to": "05:00", **day}
    window = replace(night, operations=("backup",), do_not_run=(period,))

    def cells(at):
        return window_row(window, Look(zone=UTC, clock=lambda: at)).cells

    assert "in force" in cells(NOW)[1].text
    assert "open" in cells(NOW + timedelta(days=1))[1].text
    assert cells(NOW)[2].text == "all 02:00-05:00 on 2026-03-14"


def test_a_copy_tells_its_extended_retention(home):
    with sqlite3.connect(home.catalog) as db:
        rules = '[{"keep": "monthly", "retain_s": 31536000}]'
        db.execute("UPDATE policy_copy SET extended = ? WHERE id = 2", (rules,))
    db.close()
    with LiveCatalog(home.catalog) as live:
        copy = next(one for one in live.estate().copies() if one.id == 2)

    (kept,) = [cell.text for label, cell in copy_facts(copy, Look(zone=UTC)) if label == "Is"]
    assert "keeps 90 days, monthly fulls 365 days; throttle" in kept


def test_a_week_is_the_union_of_all_levels_in_the_zone_of_the_node(live):
    week = week_of(live, "media_agents.store2", "auxcopy", zone=BERLIN, now=NOW)

    saturday, _, monday = week.days[:3]
    assert [hour for hour in range(24) if any(saturday.closed[hour * 4 : hour * 4 + 4])] == [
        3,
        4,
        5,
    ]
    assert [hour for hour in range(24) if all(monday.closed[hour * 4 : hour * 4 + 4])] == [
        *(3, 4, 5),
        *range(8, 18),
    ]
    assert week.now == 4 * 4
    assert len(week.days) == 7
    assert all(len(day.closed) == SLOTS for day in week.days)


def test_switched_off_hours_are_on_the_grid(live):
    week = week_of(live, "clients.web1", "auxcopy", zone="UTC", now=NOW)

    assert all(week.days[0].closed[8:32])
    assert not any(week.days[0].closed[32:])


def test_a_week_says_why_and_both_times(live):
    week = week_of(live, "media_agents.store2", "auxcopy", zone=BERLIN, now=NOW)

    text = "\n".join(cell.text for _, cell in week_facts(week, Look(zone=UTC, clock=lambda: NOW)))

    assert "must not run until 05:00:00" in text
    assert "operation window 'night'" in text
    assert "Sat 04:00 in Europe/Berlin, which the grid shows; Sat 03:00 here" in text


def test_nodes_have_names_and_keys(live):
    estate = live.estate()

    assert keys_by_node(estate)["clients.db1.subclients.pg"] == ("subclient", 1)
    assert node_words("clients.db1.subclients.pg") == "subclient db1/pg"
    assert node_words("media_agents.store1") == "MediaAgent store1"
    assert zone_of_node("media_agents.store2", estate) == "UTC"
    assert zone_of_node("clients.db1", estate) == BERLIN


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_schedules_tell_their_next_runs(home, make_console, size):
    app = make_console(home)
    async with app.run_test(size=size) as pilot:
        await pilot.press("6")
        await sees(pilot, "nightly", "daily at 22:00", "weekend", "disabled", "in force", "office")
        await sees(pilot, "Every day at 22:00", "Sun 2026-03-15 22:00 Europe/Berlin; here 21:00")

        await pilot.press("down", "down")

        await sees(pilot, "it does not run by itself")


async def test_a_schedule_shows_the_jobs_it_started(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("6")
        await sees(pilot, "nightly")
        await pilot.press("enter")
        await sees(pilot, "auxiliary copy of databases", "it has started no job yet", "streams = 2")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_why_a_media_agent_must_not_copy_now(home, make_console, size):
    app = make_console(home)
    async with app.run_test(size=size) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("4", "tab", "down", "W")

        await sees(pilot, "MediaAgent store2", "must not run until 05:00:00", "Sat 03-14", "night")
        await sees(pilot, "Auxiliary copy", "f Next Operation")
        await pilot.press("f")
        await sees(pilot, "Verification", "may run until 2026-03-16 07:00")


async def test_windows_are_in_the_tree_with_their_nodes(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Operation Windows")
        await pilot.press(*["down"] * 7, "right", "down")

        await sees(pilot, "MediaAgent store2", "closed until 05:00:00", "stop at a chunk")


async def test_media_agents_show_streams_in_use(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await sees(pilot, "2 of 4", "0 of 2", "closed until 05:00:00", "open until")
