"""The demo, end to end on less data: its copies, its second start, the directories it must refuse."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from auxtui.cli import console
from auxtui.demo import place, run_demo
from auxtui.demo.material import Material, make_material
from auxtui.demo.outcome import program, report
from auxtui.demo.place import MARKER, Place
from engine.catalog.home import Home
from engine.catalog.live import LiveCatalog
from engine.catalog.values import JobValue
from engine.control import frontdoor
from engine.control.lock import is_held
from engine.model.errors import UsageError
from engine.model.states import RequestKind

DiskUsage = namedtuple("DiskUsage", "total used free")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """A small library of modules, with what a real one has beside them."""
    library = tmp_path_factory.mktemp("library")
    for number in range(20):
        (library / f"module_{number}.py").write_text(f"NUMBER = {number}\n" * 500)
    (library / "package").mkdir()
    (library / "package/native.so").write_bytes(os.urandom(200_000))
    (library / "package/notes.txt").write_text("notes")
    (library / os.fsdecode(b"odd \xff.txt")).write_text("a name that is not UTF-8")
    (library / "package/link.py").symlink_to("../module_1.py")
    (library / "site-packages").mkdir()
    (library / "site-packages/other.py").write_text("not ours")
    return Material(library=library, days_ago=(35, 2), image_bytes=40 << 20)


@dataclass(frozen=True)
class Made:
    """A demo that was run once, without the console."""

    root: Path
    exit_code: int
    document: dict[str, Any]
    was_served: bool
    """Whether it left its service running."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, material: Material) -> Iterator[Made]:
    """The demo, run once in a directory whose name needs care."""
    root = tmp_path_factory.mktemp("made") / "a demo's [bold]directory"
    out = io.StringIO()
    with redirect_stdout(out):
        code = run_demo(str(root), headless=True, as_json=True, material=material)
    yield Made(root, code, json.loads(out.getvalue()), is_held(Home(root / "home").service_lock))
    stop(root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a demo may be."""
    return tmp_path / "demo"


def stop(root: Path) -> None:
    home = Home(root / "home")
    if is_held(home.service_lock):
        frontdoor.stop_service(home, by="test")


def copied(root: Path) -> dict[str, list[Path]]:
    """What lies on the libraries: `policy/copy` -> the adopted entries."""
    found: dict[str, list[Path]] = {}
    for library in ("vault", "shelf"):
        for entry in sorted((root / library).glob("*/*/[0-9]*/data/*")):
            found.setdefault("/".join(entry.parts[-5:-3]), []).append(entry)
    return found


def test_everything_is_copied_and_equal_to_its_source(made: Made) -> None:
    assert made.exit_code == 0
    assert [job["state"] for job in made.document["jobs"]] == ["completed", "completed"]
    there = {f"{row['policy']}/{row['copy']}": row["available"] for row in made.document["copies"]}
    assert there["databases/offsite"] == 2
    assert there["machines/offsite"] == 3
    assert there["machines/second"] == 2
    assert {name: len(entries) for name, entries in copied(made.root).items()} == there
    for entries in copied(made.root).values():
        for entry in entries:
            (source,) = (made.root / "landing").glob(f"*/*/{entry.name}")
            subprocess.run(["diff", "-r", "--no-dereference", source, entry], check=True)


def test_no_service_is_left_behind(made: Made) -> None:
    assert not made.was_served


def test_what_is_not_there_has_a_reason(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    report(Place(str(made.root)), [], as_json=False)

    said = capsys.readouterr().out
    assert "machines/second: 1 backup job not there: older than the copy's date" in said
    (compare,) = [line for line in said.splitlines() if "diff -r" in line]
    words = shlex.split(compare.split(":", 1)[1])
    subprocess.run(words, check=True)


def test_a_second_start_opens_the_console_on_a_new_job_and_copies_nothing_twice(
    made: Made, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copied(made.root)
    seen: list[JobValue] = []

    def look(home: Home, settings: object) -> int:
        with LiveCatalog(home.catalog) as live:
            seen.extend(live.active_jobs())
        return 0

    monkeypatch.setattr(console, "open_console", look)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    code = run_demo(str(made.root), headless=False, as_json=False, material=material)

    assert code == 0
    (job,) = seen
    assert job.policy == "machines"
    assert job.throttle_bps is not None
    image = (made.root / "landing/vm1/images/root-2.img").stat()
    assert 60 < image.st_blocks * 512 / job.throttle_bps < 120  # seconds that there is to watch
    home = Home(made.root / "home")
    frontdoor.request(home, RequestKind.THROTTLE, job.id, {"throttle_bps": None}, by="test")
    ended = frontdoor.wait_for_job(Home(made.root / "home"), job.id)
    assert ended.state == "completed"
    after = copied(made.root)
    new = {entry for entries in after.values() for entry in entries}
    new -= {entry for entries in before.values() for entry in entries}
    assert {entry.name for entry in new} == {"root-2.img"}
    assert len(new) == 2


def test_an_interrupted_start_is_gone_on_with(root: Path, material: Material) -> None:
    landing = root / "landing"
    (landing / ".library-35-days-ago").mkdir(parents=True)
    (landing / ".library-35-days-ago/modules.tar").write_bytes(b"half of it")
    (landing / ".root.img").write_bytes(b"half of it")
    (root / "site.new").write_text("half of it")
    (root / MARKER).write_text("")

    Place(str(root)).prepare(material, lambda _: None)

    assert not [path for path in landing.iterdir() if path.name.startswith(".")]
    assert (landing / "vm1/images/root.img").stat().st_size == material.image_bytes
    archives = sorted(landing.glob("web1/library/*/modules.tar"))
    assert len(archives) == 2
    for archive in archives:
        subprocess.run(["tar", "-tf", archive], check=True, capture_output=True)


def test_a_keyboard_interrupt_ends_it_with_a_word(
    root: Path,
    material: Material,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, "make_material", interrupted)

    assert run_demo(str(root), headless=True, as_json=True, material=material) == 75
    assert "the same command goes on" in capsys.readouterr().err


def test_without_a_terminal_nothing_is_made(root: Path, material: Material) -> None:
    with pytest.raises(UsageError, match="needs a terminal"):
        run_demo(str(root), headless=False, as_json=False, material=material)

    assert not root.exists()


def test_too_little_room_is_said_before_anything_is_made(
    root: Path, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(10 << 30, 0, 100 << 20))

    with pytest.raises(UsageError, match=r"needs .* free in .*there are 100 MiB"):
        run_demo(str(root), headless=True, as_json=True, material=material)

    assert not list(root.glob("landing/*/*/*"))


def test_a_demo_that_is_complete_needs_no_room(
    tmp_path: Path, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_material(tmp_path, material, lambda _: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(10 << 30, 0, 0))

    make_material(tmp_path, material, lambda _: None)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("line\nbreak", "cannot be shown"),
        ("escape\x1b[2J", "cannot be shown"),
        (os.fsdecode(b"caf\xe9"), "cannot be shown"),
        ("n" * 300, "file name too long"),
        ("file", "not a directory|file exists"),
        ("file/below", "not a directory"),
        ("foreign", "is not empty and is no demo"),
    ],
)
def test_a_directory_that_cannot_be_used_is_refused_and_left_alone(
    tmp_path: Path, material: Material, name: str, why: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/site.toml").write_text("[commcell]\nname = 'the real one'\n")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(UsageError, match=why) as caught:
        run_demo(str(tmp_path / name), headless=True, as_json=True, material=material)

    assert "--dir" in caught.value.hint
    assert sorted(tmp_path.rglob("*")) == before


def test_a_directory_that_cannot_be_made_is_refused(material: Material) -> None:
    with pytest.raises(UsageError, match="the demo cannot use /proc/demo"):
        run_demo("/proc/demo", headless=True, as_json=True, material=material)


def test_two_demos_do_not_make_one_directory_at_once(root: Path, material: Material) -> None:
    root.mkdir()
    with (root / MARKER).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(UsageError, match="another demo is being made"):
            run_demo(str(root), headless=True, as_json=True, material=material)


def test_a_relative_directory_is_below_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert Place("demo").root == tmp_path / "demo"


def test_the_program_is_named_as_it_can_be_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_dir = tmp_path / ".venv/bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "auxtui").write_text("#!/bin/sh\n")
    (bin_dir / "auxtui").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/auxtui", "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == ".venv/bin/auxtui"

    monkeypatch.setenv("PATH", str(bin_dir))
    assert program() == "auxtui"
