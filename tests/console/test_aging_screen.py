"""Data aging in the console: its preview, the run after the name is typed, what is held and by whom."""

from __future__ import annotations

from dataclasses import replace

from engine.model.errors import ServiceError
from engine.model.states import Operation
from tests.console.conftest import AGING
from tests.console.driving import lacks, sees, until
from tests.console.test_list_screens import LEDGER

POLICY = ["j", "j", "j", "j"]


def _runs(door):
    return [call[1:] for call in door.calls if call[0] in ("run_aging", "release")]


async def test_preview_names_what_goes_what_is_held_and_by_whom(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "D")
        await sees(pilot, "1 job copy, 954 MiB", "goes", "held", "copy monthly waits for it")
        await pilot.press("f")
        await sees(pilot, "would go (f)")
        await lacks(pilot, "copy monthly waits for it")
        await pilot.press("f")
        await sees(pilot, "held for another copy (f)", "copy monthly waits for it")
        assert _runs(door) == []


async def test_aging_runs_only_after_the_name_was_typed(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "D")
        await sees(pilot, "1 job copy, 954 MiB")
        await pilot.press("r")
        await sees(pilot, "Delete 1 job copy of databases, 954 MiB", "cannot be taken back")
        await pilot.press(*"yes", "enter")
        await sees(pilot, "that is not databases")
        assert _runs(door) == []
        await pilot.press("ctrl+u", *"databases", "enter")
        await sees(pilot, "job 910 takes away")
        assert _runs(door) == [("databases", False)]

        await pilot.press("L", *"databases", "enter")
        await sees(pilot, "1 job copy released")
        assert _runs(door)[1] == ("databases", None)


async def test_a_fuse_is_said_and_confirmed_with_the_run(home, make_console, door, monkeypatch):
    fuse = {"policy": "databases", "copy": "offsite", "subclient": "", "reason": "too much at once"}
    monkeypatch.setattr(door, "preview_aging", lambda policy: {**AGING, "fuses": [fuse]})
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "D")
        await sees(pilot, "databases/offsite: too much at once")
        await pilot.press("r")
        await sees(pilot, "The deletion fuse says: databases/offsite: too", "much at once.")
        await pilot.press(*"databases", "enter")
        await until(pilot, lambda: _runs(door) == [("databases", True)])


async def test_what_only_the_fuse_stops_is_said_so_and_can_be_let_go(
    home, make_console, door, monkeypatch
):
    why = "3 of its 4 cycles would go at once"
    fuse = {"policy": "databases", "copy": "offsite", "subclient": "db1/pg", "reason": why}
    held = {**AGING["job_copies"][0], "ages": False, "stopped": True, "reason": f"db1/pg: {why}"}
    document = {"fuses": [fuse], "job_copies": [held]}
    monkeypatch.setattr(door, "preview_aging", lambda policy: document)
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "D")
        await sees(pilot, "1 job copy, 954 MiB, by the deletion fuse", " fuse ", "r Run Data Aging")
        await pilot.press("r")
        await sees(pilot, "Delete 1 job copy of databases, 954 MiB: backup job 101?")
        await sees(pilot, "stopped 1 of them", "databases/offsite for db1/pg")
        await pilot.press(*"databases", "enter")
        await until(pilot, lambda: _runs(door) == [("databases", True)])


async def test_more_filters_of_the_ledger_and_what_is_wrong_with_them(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "40 backup jobs")
        await pilot.press("F")
        await sees(pilot, "Backed up from", "Verification", "shows all")
        await pilot.press(*"soon", "f2")
        await sees(pilot, '"soon" is not a time')
        assert app.screen.focused.id == "field-since"
        await pilot.press("ctrl+u", *"2026-03-13", "tab", *"2026-03-12", "f2")
        await sees(pilot, "it is before the beginning")
        await pilot.press("ctrl+u", *"2026-03-14", "tab", "tab", "tab", "tab", *"2GiB", "f2")
        await sees(pilot, "3 more filters (F)")
        await lacks(pilot, "40 backup jobs", "341 MiB", "2026-03-11")
        await sees(pilot, "2.00 GiB")


async def test_the_filters_find_what_they_say(home):
    from engine.catalog.live import LiveCatalog
    from engine.catalog.live_values import LedgerFilter

    with LiveCatalog(home.catalog) as live:
        every = live.job_copies_page(2)

        def found(**parts):
            return set(live.job_copy_ids(2, LedgerFilter(**parts)))

        assert found(least_bytes=10**9) == {x.backup_job_id for x in every if x.size_bytes >= 10**9}
        assert found(most_bytes=10**9) == {x.backup_job_id for x in every if x.size_bytes <= 10**9}
        for value in {x.verification for x in every}:
            assert found(verification=value) == {
                x.backup_job_id for x in every if x.verification == value
            }
        for value in {x.decision for x in every} - {""}:
            assert found(decision=value) == {x.backup_job_id for x in every if x.decision == value}
        assert found(reason="OPERATOR") == {
            x.backup_job_id for x in every if "operator" in x.reason
        }


async def test_a_preview_is_decided_anew_when_a_run_has_ended(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "D")
        await sees(pilot, "1 job copy, 954 MiB")
        await until(pilot, lambda: app.screen._ended is not None)
        assert [call[0] for call in door.calls] == ["preview_aging"]

        pulse = app.state.pulse
        ended = replace(pulse.recent[0], id=999, operation=Operation.AGING)
        app._set_state(pulse=replace(pulse, recent=(ended,)))

        await until(pilot, lambda: len(door.calls) == 2)


async def test_what_cannot_be_decided_is_said_and_stays(home, make_console, door):
    door.error = ServiceError("the catalog is busy", hint="try again")
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "D")
        await sees(pilot, "the catalog is busy (try again)", "nothing could be decided")
        await lacks(pilot, "deciding what would go")
