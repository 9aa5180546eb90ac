"""Schedules and activity are switched, jobs run again, and all jobs held at once, from the keyboard."""

from __future__ import annotations

from datetime import timedelta

from engine.model.errors import UsageError
from engine.model.states import RequestKind
from tests.console.driving import sees, until
from tests.console.sample_catalog import NOW


async def test_a_schedule_is_run_now(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await sees(pilot, "nightly", "r Run Now")
        await pilot.press("r")

        await sees(pilot, "nightly: started job 908")
        assert door.calls == [("schedule", "nightly", "run")]


async def test_a_schedule_is_disabled_and_that_is_taken_back(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await sees(pilot, "nightly")
        await pilot.press("s")
        await sees(pilot, "schedule nightly is disabled; z takes it back")
        await pilot.press("z")

        await until(pilot, lambda: len(door.calls) == 2)
        assert [call[2] for call in door.calls] == ["disable", "enable"]


async def test_what_is_so_already_says_why_it_is_not_possible(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await sees(pilot, "weekend")
        await pilot.press("down", "down", "s")
        await sees(pilot, "it is disabled already")
        await pilot.press("1")
        await sees(pilot, "Storage Policies")
        await pilot.press("u")
        await sees(pilot, "activity is not switched off here")
        assert door.calls == []


async def test_activity_is_switched_off_for_a_time(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("4", "tab")
        await sees(pilot, "store1")
        await pilot.press("s")
        await sees(pilot, "Switch Activity Off", "MediaAgent store1")
        await pilot.press("backspace", "backspace", *"3h", "enter")

        await sees(pilot, "activity is off on MediaAgent store1 until 06:00:00")
        until_at = NOW + timedelta(hours=3)
        assert door.calls == [("switch_activity", "media_agents.store1", False, until_at)]


async def test_a_time_that_is_none_is_said_at_the_field(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("s", "backspace", "backspace", *"soon", "enter")

        await sees(pilot, "is not a time", "Switch Activity Off")
        assert door.calls == []


async def test_activity_is_switched_on_where_it_is_off(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("down", "right", "down", "down")
        await sees(pilot, "hq / web1", "u Switch Activity On")
        await pilot.press("u")

        await until(pilot, lambda: bool(door.calls))
        assert door.calls == [("switch_activity", "clients.web1", True, None)]


async def test_all_jobs_are_suspended_by_name_of_the_task(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")
        await pilot.press("colon", *"suspend all", "enter")

        await sees(pilot, "2 jobs suspended")
        assert door.calls == [(RequestKind.SUSPEND, 906, {}), (RequestKind.SUSPEND, 905, {})]


async def test_a_job_that_refuses_does_not_keep_the_others_from_being_asked(
    home, make_console, door
):
    app = make_console(home)
    door.error = UsageError("not now")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")
        await pilot.press("colon", *"resume all", "enter")

        await sees(pilot, "nothing was done; 2 refused: not now")
        assert len(door.calls) == 2


async def test_killing_all_asks_first(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")
        await pilot.press("colon", *"kill all", "enter")
        await sees(pilot, "Kill every job that has not ended?")
        await pilot.press("n")
        await sees(pilot, "not done")
        assert door.calls == []


async def test_marked_jobs_are_suspended_together(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")
        await pilot.press("asterisk")
        await sees(pilot, "3 marked")
        await pilot.press("x", "y")

        await until(pilot, lambda: len(door.calls) == 2)
        assert {call[1] for call in door.calls} == {905, 906}


async def test_an_ended_job_is_resubmitted_as_it_was(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await sees(pilot, "902")
        await pilot.press("A")

        await sees(pilot, "started job 909")
        assert door.calls == [("resubmit", 902)]


async def test_the_job_controller_sorts_and_filters_by_state(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "1 running, 1 suspended, 1 completed with errors", "180 MiB/s together")
        await pilot.press("comma")
        await sees(pilot, "worst first (,)")
        assert [job.id for job in app.screen._jobs] == [902, 906, 905]
        await pilot.press("f", "f")
        await sees(pilot, "held (f)")
        assert [job.id for job in app.screen._jobs] == [906]


async def test_the_history_filters_by_time_and_operation(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("3")
        await sees(pilot, "901", "902", "at any time (d), every operation (v)")
        await pilot.press("d")
        await sees(pilot, "within a day (d)", "902", "901")
        await pilot.press("v", "v")
        await sees(pilot, "0 jobs", "backup (v)")


async def test_a_job_shows_where_it_writes_and_why_so_many_streams(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")
        await pilot.press("enter", "f6", "f6")
        await sees(pilot, "Why so many", "MediaAgent store2 allows 2 streams")
        await pilot.press("f6")
        await sees(pilot, "/mnt/vault", "/mnt/fast", "store1, store2")
        await pilot.press("f6")
        await sees(pilot, "no plan: an auxiliary copy has one from its first attempt on")
