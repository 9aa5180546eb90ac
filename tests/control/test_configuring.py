"""Single items of the configuration changed through the front door: guarded as a site file is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.catalog.home import Home
from engine.control import frontdoor
from engine.model.errors import NotFoundError, SiteError, UsageError
from engine.site.editing import SiteEdit, table_at
from tests.cell import Cell
from tests.control.upkeep import serving, wait_until

OFFSITE = ("policies", "databases", "copies", "offsite")


def _edit(place, table, before):
    return SiteEdit(place=place, table=table, before=before)


def _offsite(cell: Cell):
    return table_at(frontdoor.site_document(cell.home), OFFSITE)


def test_an_item_is_changed_and_nothing_else(cell: Cell) -> None:
    cell.apply()
    before = _offsite(cell)
    edit = _edit(OFFSITE, {**before, "retain": "720h"}, before)

    tried = frontdoor.try_edit(cell.home, edit)
    assert _offsite(cell) == before
    assert [(c.kind, c.name, c.fields) for c in tried.changes] == [
        ("copy", "databases/offsite", {"retain": ["forever", "30d"]})
    ]
    done = frontdoor.apply_edit(cell.home, edit)

    assert done.changes == tried.changes
    assert _offsite(cell) == {**before, "retain": "30d"}
    assert done.text == (
        '[policies.databases.copies.offsite]\nkind = "synchronous"\nlibrary = "vault"\n'
        'retain = "30d"\n'
    )


def test_what_is_shown_as_toml_stands_in_the_export_to_the_letter(cell: Cell) -> None:
    from engine.catalog.opening import open_catalog
    from engine.site.exporting import export_site

    cell.apply()
    place = ("windows", "office")
    rows = [{"days": "mon-fri", "from": "08:00", "to": "18:00"}]
    edit = _edit(place, {"on": ["commcell"], "do_not_run": rows}, None)
    text = frontdoor.apply_edit(cell.home, edit).text

    with open_catalog(cell.home) as catalog:
        assert text in export_site(catalog)
    assert text.startswith("[windows.office]\n")


def test_what_changed_meanwhile_is_not_overwritten(cell: Cell) -> None:
    cell.apply()
    before = _offsite(cell)
    frontdoor.apply_edit(cell.home, _edit(OFFSITE, {**before, "retain": "90d"}, before))

    with pytest.raises(UsageError, match='copy "offsite" was changed meanwhile'):
        frontdoor.apply_edit(cell.home, _edit(OFFSITE, {**before, "active": False}, before))
    with pytest.raises(UsageError, match='there is a copy "offsite" already'):
        frontdoor.try_edit(cell.home, _edit(OFFSITE, dict(before), None))

    assert _offsite(cell) == {**before, "retain": "90d"}


@pytest.mark.parametrize(
    ("place", "table", "path", "message"),
    [
        (OFFSITE, {"library": "nowhere"}, (*OFFSITE, "library"), 'no library "nowhere"'),
        (OFFSITE, {"source": "offsite"}, (*OFFSITE, "source"), "own source"),
        (OFFSITE, {"retain_cycles": "many"}, (*OFFSITE, "retain_cycles"), "must be a whole number"),
        (
            ("libraries", "[/red]x"),
            {"url": "/tmp/x"},
            ("libraries", "[/red]x"),
            "cannot be a name",
        ),
        (("libraries", ""), {"url": "/tmp/x"}, ("libraries", ""), "cannot be a name"),
        (("libraries", "new"), {}, ("libraries", "new"), 'needs "url"'),
        (
            ("schedules", "nightly"),
            {"operation": "auxcopy", "policy": "databases", "when": "at noon"},
            ("schedules", "nightly", "when"),
            "at noon",
        ),
    ],
)
def test_a_wrong_value_is_refused_at_its_key_and_names_no_file(
    cell: Cell, place, table, path, message
) -> None:
    cell.apply()
    before = _offsite(cell) if place == OFFSITE else None
    with pytest.raises(SiteError, match=message.replace("[", r"\[")) as caught:
        frontdoor.apply_edit(cell.home, _edit(place, {**(before or {}), **table}, before))

    assert caught.value.path == path
    assert not caught.value.message.startswith(":")
    assert "library" in _offsite(cell)


def test_a_circle_of_sources_is_refused(cell: Cell) -> None:
    cell.apply()
    second = ("policies", "databases", "copies", "Copy_2")
    table = {"kind": "synchronous", "library": "shelf", "source": "offsite"}
    frontdoor.apply_edit(cell.home, _edit(second, table, None))
    before = _offsite(cell)

    with pytest.raises(SiteError, match="in a circle: offsite -> Copy_2 -> offsite"):
        frontdoor.apply_edit(cell.home, _edit(OFFSITE, {**before, "source": "Copy_2"}, before))


def test_what_holds_backup_jobs_is_not_deleted_and_what_holds_none_is(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    shelf = table_at(frontdoor.site_document(cell.home), ("libraries", "shelf"))
    with serving(cell):
        cell.scan()
        assert cell.run().state == "completed"

    with pytest.raises(UsageError, match="it holds 1 job copy"):
        frontdoor.apply_edit(cell.home, _edit(OFFSITE, None, _offsite(cell)))
    gone = frontdoor.apply_edit(cell.home, _edit(("libraries", "shelf"), None, shelf))
    with pytest.raises(NotFoundError, match='no library "shelf"'):
        frontdoor.apply_edit(cell.home, _edit(("libraries", "shelf"), None, None))

    assert [(c.kind, c.name, str(c.change)) for c in gone.changes] == [
        ("library", "shelf", "removed")
    ]


def test_a_policy_is_edited_without_its_copies(cell: Cell) -> None:
    cell.apply()
    place = ("policies", "databases")
    frontdoor.apply_edit(cell.home, _edit(place, {"description": "dumps"}, {}))

    document = frontdoor.site_document(cell.home)
    assert table_at(document, place)["description"] == "dumps"
    assert _offsite(cell)["library"] == "vault"


def test_the_first_item_makes_the_catalog_and_a_wrong_one_does_not(tmp_path) -> None:
    home = Home(tmp_path / "home")
    assert frontdoor.site_document(home) == {}
    with pytest.raises(SiteError, match="cannot be a name"):
        frontdoor.apply_edit(home, _edit(("policies", "../up"), {}, None))
    assert not home.path.exists()

    frontdoor.apply_edit(home, _edit(("policies", "databases"), {}, None))

    assert "databases" in frontdoor.site_document(home)["policies"]


def test_a_new_copy_asks_only_where_its_source_holds_much(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    with serving(cell):
        cell.scan()

    assert frontdoor.new_copy_question(cell.home, "databases", "") == ""
    later = datetime.now(UTC).replace(year=datetime.now(UTC).year + 1)
    question = frontdoor.new_copy_question(cell.home, "databases", "primary", now=later)
    assert question.startswith("the source holds 1 backup jobs")
    assert frontdoor.new_copy_question(cell.home, "databases", "offsite", now=later) == ""


def test_a_shorter_retention_says_what_it_lets_go(cell: Cell) -> None:
    for number in range(4):
        cell.dump(f"dump-{number}")
    cell.apply()
    with serving(cell):
        cell.scan()
        assert cell.run().state == "completed"
        before = _offsite(cell)
        edit = _edit(OFFSITE, {**before, "retain": "1s", "retain_cycles": 3}, before)
        wait_until(lambda: "1 of its 4" in _notes(frontdoor.try_edit(cell.home, edit)))
        done = frontdoor.apply_edit(cell.home, edit)
        now = _offsite(cell)
        less = _edit(OFFSITE, {**now, "retain_cycles": 1}, now)
        stopped = frontdoor.apply_edit(cell.home, less)
        now = _offsite(cell)
        longer = frontdoor.apply_edit(
            cell.home, _edit(OFFSITE, {**now, "retain": "90d", "retain_cycles": 1}, now)
        )

    assert _notes(done) == (
        "1 of its 4 job copies goes at the next data aging; see auxtui aging --dry-run"
    )
    assert _notes(stopped) == (
        "3 of its 4 job copies go at the next data aging when the deletion fuse is confirmed; "
        "see auxtui aging --dry-run"
    )
    assert _notes(longer) == ""


def _notes(outcome) -> str:
    return "".join(change.note for change in outcome.changes if change.change == "warning")


def test_a_copy_that_keeps_nothing_is_refused(cell: Cell) -> None:
    with pytest.raises(SiteError, match="keeps nothing"):
        cell.apply(offsite='retain = "0d"')
    cell.apply(offsite='retain = "0d"\nretain_cycles = 1')
