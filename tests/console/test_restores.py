"""Browse and restore: a tree of paths with marks, and a dialog that says what it will do."""

from __future__ import annotations

from datetime import timedelta

from auxtui.restoring import PathTree, Wanted
from auxtui.screens.restore import RestoreScreen
from engine.model.errors import UsageError
from tests.console.conftest import TREE
from tests.console.driving import lacks, screen_text, sees, until
from tests.console.sample_catalog import NOW
from tests.console.test_list_screens import LEDGER


def _restores(door):
    return [call[1:] for call in door.calls if call[0] == "restore"]


async def _ledger(pilot):
    await sees(pilot, "Storage Policies")
    await pilot.press(*LEDGER)
    await sees(pilot, "40 backup jobs")
    await pilot.press("f", "f", "f", "f")
    await sees(pilot, "available (f)")


def test_a_marked_directory_stands_for_all_below_it():
    tree = PathTree(children=dict(TREE), unfolded={b"etc", b"etc/ssl"})
    assert [path for path, _, _ in tree.visible()][:5] == [
        b"etc",
        b"etc/ssl",
        b"etc/ssl/key.pem",
        b"etc/hosts",
        b"etc/\xff\xfe\n\xe2\x80\xae",
    ]
    assert tree.toggle(b"etc/hosts") == ""
    assert tree.toggle(b"etc") == ""
    assert tree.marks == {b"etc"}
    assert tree.is_marked(b"etc/ssl/key.pem")
    assert not tree.is_marked(b"etcetera")
    assert "marked with etc" in tree.toggle(b"etc/hosts")
    assert tree.toggle(b"etc") == ""
    assert tree.marks == set()


async def test_restore_says_what_it_will_do_and_then_starts_the_job(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ledger(pilot)
        await pilot.press("s")
        await sees(pilot, "all of backup job 133 of db1/pg", "From", "stay: the restore is refused")
        assert _restores(door) == []
        await pilot.press("ctrl+u", *"/tmp/back", "tab", "tab", *"etc/*.conf, srv")
        await pilot.press("tab", "tab", "space", "f2")

        await until(pilot, lambda: bool(_restores(door)))
        await sees(pilot, "job 911 restores backup job 133")
    wanted = Wanted(backup_job_id=133, copy="offsite", globs=("etc/*.conf", "srv"))
    assert _restores(door) == [(wanted, "/tmp/back", True)]


async def test_a_bad_one_is_restored_from_another_copy(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "40 backup jobs")
        await pilot.press(*"ffffffff")
        await sees(pilot, "bad (f)")
        await pilot.press("s")
        await sees(pilot, "any, by precedence", "copy primary, then offsite")


async def test_a_wrong_target_is_said_at_the_field_and_starts_nothing(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ledger(pilot)
        await pilot.press("s")
        await sees(pilot, "To the directory")
        await pilot.press("ctrl+u", *"here", "f2")
        await sees(pilot, "give a directory that begins with /")
        door.error = UsageError("cannot restore to /mnt/fast: it is in library fast", hint="else")
        await pilot.press("ctrl+u", *"/mnt/fast", "f2")
        await sees(pilot, "it is in library fast")
        assert app.screen.focused.id == "field-to"
        assert _restores(door) == []


async def test_browse_marks_paths_and_restores_exactly_those(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ledger(pilot)
        await pilot.press("b")
        await sees(pilot, "etc/", "base.tar", "1.00 MiB")
        await pilot.press("right")
        await sees(pilot, "ssl/", "hosts")
        await pilot.press("down", "space")
        await sees(pilot, "1 path: etc/ssl")
        await pilot.press("down", "space")
        await sees(pilot, "2 paths: etc/\\xff")
        await pilot.press("s")
        await sees(pilot, "Marked", "2 paths: etc/", "of backup job 133")
        await pilot.press("f2")

        await until(pilot, lambda: bool(_restores(door)))
    wanted, target, overwrite = _restores(door)[0]
    assert wanted.paths == (b"etc/ssl", b"etc/\xff\xfe\n\xe2\x80\xae")
    assert target.endswith("/restore")
    assert not overwrite


async def test_browse_says_what_cannot_be_read(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await _ledger(pilot)
        door.error = UsageError("the index of backup job 133 is not on this host", hint="fetch it")
        await pilot.press("b")
        await sees(pilot, "the index of backup job 133 is not on this host (fetch it)")
        await pilot.press("escape")
        await lacks(pilot, "browse")


async def test_a_landing_subclient_is_restored_by_its_backup_jobs(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("j", "l", "j", "l", "j", "b")
        await sees(pilot, "Browse: it adopts what others write")
        assert "browse" not in screen_text(app)
        assert _restores(door) == []


async def test_a_time_of_day_is_the_last_one_and_one_to_come_is_refused(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        app.push_screen(RestoreScreen(Wanted(subclient="web1/content"), ("primary",)))
        await sees(pilot, "As of")
        await pilot.press(*"2027-01-01", "f2")
        await sees(pilot, "2027-01-01 00:00 Europe/Berlin is to come")
        assert app.screen.focused.id == "field-as_of"
        await pilot.press(
            "ctrl+u", *"05:00", "f2"
        )  # in the zone of the CommCell, where it is 04:00
        await until(pilot, lambda: bool(_restores(door)))
    assert _restores(door)[0][0].as_of == NOW - timedelta(hours=23)
