"""The second try of the suite: what it may overlook, and what never."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import again

PASSES = "def test_one():\n    pass\n"
FAILS = "def test_one():\n    raise AssertionError\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    again.CACHE.parent.mkdir(parents=True)
    return tmp_path


def failed_before(*tests: str) -> None:
    again.CACHE.write_text(json.dumps(dict.fromkeys(tests, True)))


def test_what_passes_alone_is_named_as_a_race(project: Path, capfd: pytest.CaptureFixture[str]):
    (project / "test_it.py").write_text(PASSES)
    failed_before("test_it.py::test_one")
    assert again.main(1) == 0
    assert "A RACE TO BE MENDED" in capfd.readouterr().out


def test_what_fails_again_is_a_failure(project: Path):
    (project / "test_it.py").write_text(FAILS)
    failed_before("test_it.py::test_one")
    assert again.main(1) == 1


def test_many_failures_get_no_second_try(project: Path):
    (project / "test_it.py").write_text(PASSES)
    failed_before(*(f"test_it.py::test_one[{n}]" for n in range(again.MOST + 1)))
    assert again.main(1) == 1


@pytest.mark.parametrize("exit_code", [2, 3, 4, 5, 139])
def test_a_run_that_did_not_end_is_no_verdict(project: Path, exit_code: int):
    failed_before()
    assert again.main(exit_code) == exit_code


def test_a_failure_outside_every_test_stays_one(project: Path):
    failed_before()
    assert again.main(1) == 1
