"""Damage that a restore or a copy finds is remembered, and what is right of a damaged copy is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.catalog.values import JobValue
from engine.control import frontdoor
from engine.library.local_reader import LocalJobReader
from engine.model.errors import NotFoundError, SourceMissing, UsageError
from tests.cell import SECOND, Cell
from tests.control.test_verification import copied, flip
from tests.control.upkeep import errors_of, events_of, repair, serving, verify

CHAIN = SECOND + 'source = "offsite"\nactive = false\n'


def restore(cell: Cell, job: int, to: Path, **options) -> JobValue:
    wanted = {"copy": None, "path_globs": (), "overwrite": False, **options}
    return cell.wait(frontdoor.run_restore(cell.home, job, to=str(to), by="test", **wanted))


def big(cell: Cell, library: str = "vault", copy: str = "offsite", *, job: int) -> Path:
    return cell.on_media(library, copy)[job] / "data/two/a"


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_what_a_restore_finds_is_remembered(cell: Cell, damage: Callable[[Path], object]) -> None:
    ids = copied(cell, SECOND)
    damage(big(cell, job=ids["two"]))
    with serving(cell):
        done = restore(cell, ids["two"], cell.root / "back", copy="offsite")
        line = cell.ledger()[b"two"]
        elsewhere = restore(cell, ids["two"], cell.root / "else")
        mended = repair(cell, ids["two"])

    assert done.state == "completed_with_errors"
    assert "repair it" in errors_of(cell, done.id)[0].hint
    assert (line.state, line.verification) == ("bad", "failed")
    assert "two/a" in line.reason
    assert line.next_step == f"repair it: auxtui repair databases/offsite {ids['two']}"
    (event,) = events_of(cell, "verification.failed")
    assert event.job_id == done.id
    assert elsewhere.state == mended.state == "completed"
    assert cell.ledger()[b"two"].state == "available"


def test_a_library_that_goes_away_under_a_restore_is_no_damage(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are not there either."""
    ids = copied(cell)
    usual = LocalJobReader.read_each

    def read_each(reader: LocalJobReader, *files: Any) -> Any:
        if (cell.root / "vault").exists():
            (cell.root / "vault").rename(cell.root / "unplugged")
            raise SourceMissing("cannot open two/a: no such file")
        return usual(reader, *files)

    def open_file(reader: LocalJobReader, entry: object) -> Any:
        return read_each(reader, entry)

    monkeypatch.setattr(LocalJobReader, "read_each", read_each)
    monkeypatch.setattr(LocalJobReader, "open_file", open_file)
    with serving(cell):
        done = restore(cell, ids["two"], cell.root / "back", copy="offsite")
        line = cell.ledger()[b"two"]

    assert done.state != "completed"
    assert line.state == "available"


def test_what_a_copy_finds_at_its_source_is_remembered(cell: Cell) -> None:
    ids = copied(cell, CHAIN)
    flip(big(cell, job=ids["two"]))
    cell.apply(CHAIN.replace("active = false\n", ""))
    with serving(cell):
        cell.run()
        line = cell.ledger()[b"two"]

    assert (line.state, line.verification) == ("bad", "failed")
    assert "auxtui repair databases/offsite" in line.next_step
    assert len(events_of(cell, "verification.failed")) == 1


def test_what_is_right_of_the_only_copy_is_given(cell: Cell) -> None:
    ids = copied(cell)
    flip(big(cell, job=ids["two"]))
    for path in sorted(cell.landing.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    cell.dump("zz-latest.dump")
    with serving(cell):
        cell.scan()
        verify(cell)
        line = cell.ledger()[b"two"]
        with pytest.raises(UsageError) as refused:
            restore(cell, ids["two"], cell.root / "no")
        part = restore(cell, ids["two"], cell.root / "back", copy="offsite")
        whole = restore(
            cell, ids["two"], cell.root / "one", copy="offsite", path_globs=["two/empty"]
        )

    advice = f"auxtui restore {ids['two']} --copy offsite --to DIR"
    assert advice in line.next_step
    assert advice in refused.value.hint
    assert part.state == "completed_with_errors"
    assert "two/a" in {error.path for error in errors_of(cell, part.id)}
    assert not (cell.root / "back/two/a").exists()
    assert (cell.root / "back/two/empty").exists()
    assert whole.state == "completed"
    assert (cell.root / "one/two/empty").exists()


def test_a_manifest_that_was_replaced_gives_nothing(cell: Cell) -> None:
    ids = copied(cell)
    media = cell.on_media()
    foreign = (media[ids["one.dump"]] / "manifest.jsonl.zst").read_bytes()
    (media[ids["two"]] / "manifest.jsonl.zst").write_bytes(foreign)
    with serving(cell):
        done = restore(cell, ids["two"], cell.root / "back", copy="offsite")

    assert done.state == "failed"
    assert "not the one that was published" in done.reason
    assert cell.ledger()[b"two"].state == "bad"


def test_damage_in_a_landing_directory_is_never_to_be_repaired_there(cell: Cell) -> None:
    ids = copied(cell)
    flip(cell.landing / "one.dump")
    with serving(cell):
        verify(cell, "all", copy="primary")
        line = cell.ledger("primary")[b"one.dump"]

    assert line.state == "bad"
    assert line.next_step == f"get it back elsewhere: auxtui restore {ids['one.dump']} --to DIR"


def test_a_restore_goes_nowhere_by_mistake(cell: Cell) -> None:
    ids = copied(cell)
    with serving(cell):
        with pytest.raises(UsageError, match="no target is named"):
            frontdoor.run_restore(
                cell.home,
                ids["two"],
                to="",
                copy=None,
                path_globs=(),
                overwrite=False,
                by="test",
            )
        for inside in (cell.home.path, cell.home.path / "manifests/new"):
            with pytest.raises(UsageError, match="AUXTUI_HOME"):
                restore(cell, ids["two"], inside)


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_cannot_be_replaced_is_not_advised_to_be(cell: Cell, overwrite: bool) -> None:
    ids = copied(cell)
    (cell.root / "back/one.dump").mkdir(parents=True)
    (cell.root / "other").mkdir()
    (cell.root / "other/one.dump").write_bytes(b"1")
    with serving(cell):
        stuck = restore(cell, ids["one.dump"], cell.root / "back", overwrite=overwrite)
        other = restore(cell, ids["one.dump"], cell.root / "other", overwrite=overwrite)

    assert stuck.state == "failed"
    assert "--overwrite" not in stuck.reason
    assert "move it away" in stuck.reason
    assert (stuck.errors, errors_of(cell, stuck.id)[0].error) == (1, "it is there already")
    assert other.state == ("completed" if overwrite else "failed")
    assert overwrite or "--overwrite" in other.reason


def test_what_can_be_repaired_is_whatever_else_was_named(cell: Cell) -> None:
    ids = copied(cell, SECOND)
    with serving(cell):
        flip(big(cell, job=ids["two"]))
        verify(cell)
        frontdoor.decide(cell.home, "databases", "second", [ids["two"]], "bad", by="test")
        for copy, asked, also_on in (
            (None, ("primary",), ()),
            ("primary", ("primary",), ()),
            ("second", ("second",), ("primary",)),
        ):
            said = frontdoor.preview_restore(cell.home, ids["two"], to="/nowhere", copy=copy)
            assert (said.copies, said.also_on) == (asked, also_on)
            assert (said.bad_on, said.not_on) == (("offsite", "second"), ())
        job = repair(cell, 99, ids["two"])
        with pytest.raises(NotFoundError):
            repair(cell, 98, 99)
        again = cell.wait(frontdoor.resubmit(cell.home, job.id, by="test"))

    assert job.state == "completed_with_errors"
    assert (job.backup_jobs_done, job.backup_jobs_failed) == (1, 1)
    (error,) = errors_of(cell, job.id)
    assert (error.backup_job_id, "99" in error.error) == (99, True)
    assert cell.ledger()[b"two"].state == "available"
    assert again.state == "completed"
