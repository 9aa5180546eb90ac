"""What is done with backup jobs on a copy: by key, for marked rows, with a question where one is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from auxtui.actions import BY_ID
from auxtui.ledger_words import line_words
from auxtui.present import Look, Tone
from engine.model.errors import UsageError
from tests.console.driving import lacks, screen_text, sees, until
from tests.console.sample_catalog import NOW, without_landing
from tests.console.test_list_screens import LEDGER

DECIDED = "decide"


async def _ledger(pilot, *more):
    await sees(pilot, "Storage Policies")
    await pilot.press(*LEDGER)
    await sees(pilot, "40 backup jobs")
    if more:
        await pilot.press("slash", *more, "enter")


async def test_pick_is_recorded_at_once_and_taken_back_by_z(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot, *"to be copied")
        await pilot.press("f", "f")
        await sees(pilot, "to be copied (f)")
        await pilot.press("escape")
        await sees(pilot, "to be copied (f)")
        await pilot.press("plus")
        await sees(pilot, "picked for databases/offsite; z takes it back")
        _, policy, copy, ids, decision = door.calls[-1]
        assert (policy, copy, decision) == ("databases", "offsite", "picked")

        await pilot.press("z")

        await until(pilot, lambda: len(door.calls) == 2)
        assert door.calls[-1] == (DECIDED, "databases", "offsite", ids, "")
        await sees(pilot, "as before on databases/offsite")
        await pilot.press("z")
        await sees(pilot, "nothing that can be taken back")


async def test_do_not_copy_asks_with_the_consequence_and_no_changes_nothing(
    home, make_console, door
):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot)
        await pilot.press("f", "f")
        await sees(pilot, "to be copied (f)")
        await pilot.press("minus")
        await sees(pilot, "No run takes it", "to databases/offsite?")
        await pilot.press("n")
        await sees(pilot, "not done")
        assert door.calls == []


async def test_marked_rows_are_decided_together_and_the_first_five_are_named(
    home, make_console, door
):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot)
        await pilot.press("f", "f", "f", "f")
        await sees(pilot, "25 backup jobs; available (f)")
        await pilot.press("asterisk")
        await sees(pilot, "Marked", "tasks are for these")
        await pilot.press("c")
        await sees(pilot, "Copy backup jobs 133, 132, 125, 124, 120 and 20 more anew", "34.7 GiB")
        await pilot.press("y")

        await until(pilot, lambda: bool(door.calls))
        assert len(door.calls[0][3]) == 25


async def test_what_is_not_possible_says_why(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot)
        await pilot.press("f", "f", "f", "f")
        await sees(pilot, "available (f)")
        await pilot.press("minus")
        await sees(pilot, "Do Not Copy:", "ages off by the retention")
        await pilot.press("plus")
        await sees(pilot, "Pick:", "is available here")
        assert door.calls == []


async def test_retain_takes_a_date_or_for_good_and_refuses_the_past_at_the_field(
    home, make_console, door
):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot)
        await pilot.press("f", "f", "f", "f")
        await sees(pilot, "available (f)")
        await pilot.press("t")
        await sees(pilot, "Until, a date like")
        await pilot.press("ctrl+u", *"2001-01-01", "enter")
        await sees(pilot, "is past")
        assert door.calls == []

        await pilot.press("ctrl+u", *"2031-01-01", "enter")

        await until(pilot, lambda: bool(door.calls))
        name, policy, copy, _, end_at, is_end = door.calls[0]
        assert (name, policy, copy, is_end) == ("retain", "databases", "offsite", False)
        assert end_at.astimezone(UTC).date() in (
            datetime(2030, 12, 31, tzinfo=UTC).date(),
            datetime(2031, 1, 1, tzinfo=UTC).date(),
        )


async def test_repair_verify_and_priority_are_one_key(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot)
        await pilot.press("f")
        await sees(pilot, "not copied (f)")
        await pilot.press("slash", *"bad", "enter")
        await pilot.press("escape")
        await pilot.press("f", "f", "f", "f", "f", "f", "f")
        await sees(pilot, "bad (f)")
        await pilot.press("r")
        await sees(pilot, "job 909 repairs backup job")
        await pilot.press("v")
        await sees(pilot, "job 908 verifies backup job")
        await pilot.press("o", "ctrl+u", "1", "enter")
        await sees(pilot, "priority 1 in the next run")
        assert [call[0] for call in door.calls] == ["repair", "verify", "prioritise"]


async def test_what_the_engine_refuses_is_said_and_offers_no_undo(home, make_console, door):
    door.error = UsageError("backup job 1 is gone", hint="look again")
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot)
        await pilot.press("f", "f")
        await sees(pilot, "to be copied (f)")
        await pilot.press("plus")
        await sees(pilot, "backup job 1 is gone (look again)")
        await pilot.press("z")
        await sees(pilot, "nothing that can be taken back")


async def test_nothing_is_promoted_where_backups_land_and_no_name_is_asked_for(
    home, make_console, door
):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER[:-1])
        target = app.screen.targets()[0]
        reason = BY_ID["copy.promote"].disabled_because(target, app.world)
        assert reason == "databases has a landing subclient: what lands is the primary there"
        await pilot.press("ctrl+p", *"promote")
        await sees(pilot, "Promote to Primary", "not now: ")
        await pilot.press("enter")
        assert "Type offsite" not in screen_text(app)


async def test_promotion_wants_the_name_typed(home, make_console, door):
    without_landing(home.catalog)
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER[:-1])
        await pilot.press("ctrl+p", *"promote", "enter")
        await sees(pilot, "Type offsite to go on", "becomes a")
        await pilot.press(*"monthly", "enter")
        await sees(pilot, "that is not offsite: nothing was done")
        assert door.calls == []
        await pilot.press("ctrl+u", *"offsite", "enter")
        await sees(pilot, "offsite is the primary copy of databases")
        await lacks(pilot, "Type offsite")
        assert door.calls == [("promote", "databases", "offsite")]


async def test_read_only_consoles_change_nothing(home, make_console, door):
    app = make_console(home, read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot)
        for key in ("plus", "minus", "t", "r", "v", "x", "c", "o"):
            await pilot.press(key)
        await sees(pilot, "this console is read-only")
        assert door.calls == []
        assert "Type" not in screen_text(app)


def test_the_row_says_who_decided_and_when_and_what_keeps_it(samples):
    look = Look(zone=UTC, clock=lambda: NOW)
    line = replace(
        samples[1][0],
        decision="picked",
        decided_by="[/red]\x1bx",
        decided_at=NOW,
        priority=1,
        pinned_by="root@vm",
        pinned_until=None,
        pinned_at=NOW,
        verification="failed",
        verified_at=NOW,
    )
    said = line_words(line, look)

    at = look.time(NOW)
    assert (
        f"picked by [/red]\\x1bx, {at}; priority 1; retained for good by root@vm, {at}" in said.text
    )
    assert said.text.endswith(f"verified failed, {at}")
    assert said.tone is Tone.BAD
    kept = replace(line, decision="", pinned_by="", retained_by="copy monthly", retain_until=None)
    assert "kept by copy monthly; verified" in line_words(kept, look).text


async def test_the_ledger_tells_more_of_the_row_under_the_cursor(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _ledger(pilot)
        await sees(pilot, "This one", "139: ")
        await pilot.press("j")
        await sees(pilot, "138: ")


async def test_the_whole_reason_stands_above_a_narrow_list(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*["down"] * 4, "right", "down", "down", "b")
        await sees(pilot, "40 backup jobs")
        await pilot.press("w")
        await sees(pilot, "on every copy")
        await pilot.press("end")
        await sees(
            pilot, "On monthly", "not considered: no run has looked at it for this copy yet; the"
        )
