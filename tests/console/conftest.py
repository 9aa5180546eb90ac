"""A console on a real catalog file, with a door that records what is asked of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from textual import _wait

from auxtui.profile import set_terminal_profile

set_terminal_profile({})

from auxtui.app import ConsoleApp  # noqa: E402 - Textual reads the profile when it is imported
from auxtui.door_site import Site  # noqa: E402 - as all below
from auxtui.profile import Profile  # noqa: E402
from auxtui.restoring import Wanted  # noqa: E402
from auxtui.screens import base  # noqa: E402
from engine.catalog.home import Home  # noqa: E402
from engine.catalog.live import LiveCatalog  # noqa: E402
from engine.catalog.live_values import HistoryFilter  # noqa: E402
from engine.control import frontdoor  # noqa: E402
from engine.model.errors import AuxError  # noqa: E402
from engine.model.states import RequestKind  # noqa: E402
from engine.policy.values import RunOptions  # noqa: E402
from tests.console.sample_catalog import NOW, make_catalog  # noqa: E402
from tests.console.site_samples import WHOLE  # noqa: E402
from tests.console.stylesheets import read_once  # noqa: E402

PLAN: dict[str, Any] = {
    "policy": "databases",
    "copies": ["offsite", "monthly"],
    "bytes_total": 3 * 2**30,
    "streams": 2,
    "streams_limited_by": "MediaAgent store2 allows 2 streams",
    "copy_totals": [
        {"copy": "offsite", "taken": 2, "skipped": 3, "blocked": 0, "bytes": 3 * 2**30},
        {"copy": "monthly", "taken": 0, "skipped": 0, "blocked": 1, "bytes": 0},
    ],
    "backup_jobs": [
        {
            "backup_job_id": number,
            "client": "db1",
            "subclient": "pg",
            "level": "full",
            "copy": "monthly" if verdict == "blocked" else "offsite",
            "taken": verdict == "taken",
            "verdict": verdict,
            "reason": reason,
            "bytes": 10**9,
        }
        for number, verdict, reason in (
            (101, "taken", "to be copied"),
            (102, "taken", "to be copied"),
            (103, "skipped", "available already"),
            (104, "skipped", "available already"),
            (105, "skipped", "deferred until 2026-03-16"),
            (106, "blocked", "bad on the source"),
        )
    ],
}


AGING: dict[str, Any] = {
    "fuses": [],
    "job_copies": [
        {
            "policy": "databases",
            "copy": "offsite",
            "backup_job_id": number,
            "client": "db1",
            "subclient": "pg",
            "level": "full",
            "bytes": 10**9,
            "ages": ages,
            "reason": reason,
            "retained_by": by,
            "retain_until": None,
        }
        for number, ages, reason, by in (
            (101, True, "older than 90 days", ""),
            (102, False, "copy monthly waits for it", "copy monthly"),
        )
    ],
}


def _entry(name: bytes, kind: str, size: int = 0) -> frontdoor.BrowseEntry:
    return frontdoor.BrowseEntry(name=name, kind=kind, size=size, mtime=NOW, job_id=101)


TREE: dict[bytes, list[frontdoor.BrowseEntry]] = {
    b"": [
        _entry(b"etc", "directory"),
        _entry(b"[/red]x\x1b]0;owned\x07", "directory"),
        _entry(b"base.tar", "file", 2**20),
    ],
    b"etc": [
        _entry(b"ssl", "directory"),
        _entry(b"hosts", "file", 120),
        _entry(b"\xff\xfe\n\xe2\x80\xae", "file", 7),
    ],
    b"etc/ssl": [_entry(b"key.pem", "file", 1700)],
    b"[/red]x\x1b]0;owned\x07": [],
}


class RecordingDoor(Site):
    """Says yes to everything, or raises what it was told to raise; the configuration is the real one."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: AuxError | None = None
        self.plan: Mapping[str, Any] = PLAN
        self.held = ""

    def at(self, home: Home) -> None:
        """The configuration is that of this home."""
        self._home, self._by = home, "root@hq"

    def _engine(self) -> Any:
        return frontdoor

    def _call(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error

    def ensure_service(self) -> None:
        self._call("ensure_service")

    def upgrade_catalog(self) -> None:
        self._call("upgrade_catalog")

    def run_auxcopy(self, policy: str, options: RunOptions) -> int:
        self._call("run_auxcopy", policy, options)
        return 907

    def held_back(self, job_id: int) -> str:
        self._call("held_back", job_id)
        return self.held

    def preview(self, policy: str, options: RunOptions) -> Mapping[str, Any]:
        self._call("preview", policy, options)
        return self.plan

    def schedule_auxcopy(self, policy: str, options: RunOptions, **schedule: str) -> None:
        self._call("schedule_auxcopy", policy, options, schedule)

    def save_script(self, policy: str, options: RunOptions, file: str) -> None:
        self._call("save_script", policy, options, file)

    def request(
        self, kind: RequestKind, job_id: int | None, payload: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self._call(kind, job_id, dict(payload))
        return {}

    def scan(self, subclient: str | None) -> Mapping[str, Any]:
        self._call("scan", subclient)
        return {"adopted": [1, 2], "left": [], "bad": [], "offline": []}

    def schedule(self, name: str, act: str) -> list[int]:
        self._call("schedule", name, act)
        return [908] if act == "run" else []

    def try_alert(self, name: str) -> str:
        self._call("try_alert", name)
        return "accepted by mail to oncall@example.org"

    def switch_activity(self, node: str, *, on: bool, off_until: datetime | None = None) -> bool:
        self._call("switch_activity", node, on, off_until)
        return True

    def resubmit(self, job_id: int) -> int:
        self._call("resubmit", job_id)
        return 909

    def decide(self, policy: str, copy: str, backup_jobs: Sequence[int], decision: str) -> None:
        self._call("decide", policy, copy, list(backup_jobs), decision)

    def prioritise(self, policy: str, copy: str, backup_jobs: Sequence[int], priority: int) -> None:
        self._call("prioritise", policy, copy, list(backup_jobs), priority)

    def retain(
        self,
        policy: str,
        copy: str,
        backup_jobs: Sequence[int],
        *,
        until: datetime | None,
        end: bool,
    ) -> None:
        self._call("retain", policy, copy, list(backup_jobs), until, end)

    def verify(
        self, policy: str, copy: str | None, which: str, *, backup_jobs: Sequence[int] = ()
    ) -> int:
        self._call("verify", policy, copy, which, list(backup_jobs))
        return 908

    def repair(self, policy: str, copy: str, backup_jobs: Sequence[int]) -> int:
        self._call("repair", policy, copy, list(backup_jobs))
        return 909

    def promote(self, policy: str, copy: str) -> Mapping[str, Any]:
        self._call("promote", policy, copy)
        return {"primary": copy, "was": "primary"}

    def release(self, policy: str, copy: str | None) -> Sequence[Mapping[str, Any]]:
        self._call("release", policy, copy)
        return [{"backup_job_id": 101, "copy": copy, "held_on": "primary"}]

    def preview_aging(self, policy: str | None) -> Mapping[str, Any]:
        self._call("preview_aging", policy)
        return AGING

    def run_aging(self, policy: str | None, *, confirm: bool) -> int:
        self._call("run_aging", policy, confirm)
        return 910

    def backup(self, subclient: str, *, level: str | None, accept: bool) -> int:
        self._call("backup", subclient, level, accept)
        return 912

    def restore(self, wanted: Wanted, *, to: str, overwrite: bool) -> int:
        self._call("restore", wanted, to, overwrite)
        return 911

    def preview_restore(self, wanted: Wanted, *, to: str) -> frontdoor.RestorePreview:
        self._call("preview_restore", wanted, to)
        copies = ("primary", "offsite") if wanted.copy is None else (wanted.copy,)
        return frontdoor.RestorePreview(
            backup_job_id=wanted.backup_job_id or 101,
            subclient="db1/pg",
            level="full",
            completed_at=NOW,
            coming=frontdoor.ComingBack(3, 2**30),
            policy="databases",
            copies=copies,
            also_on=() if wanted.copy is None else ("primary",),
            bad_on=(),
            not_on=("monthly",),
        )

    def browse(self, wanted: Wanted, path: bytes) -> Sequence[frontdoor.BrowseEntry]:
        self._call("browse", wanted, path)
        return TREE[path]


@pytest.fixture(autouse=True, scope="session")
def _short_looks() -> Iterator[None]:
    """A pilot looks four times as often whether the console is idle: keys are most of what these tests wait for.

    Keys wait for a list as long as a busy host needs.
    """
    with pytest.MonkeyPatch.context() as patch:
        read_once(patch)
        patch.setattr(base, "HOLD_S", 600.0)
        patch.setattr(_wait, "SLEEP_GRANULARITY", 1 / 200)
        patch.setattr(_wait, "SLEEP_IDLE", 1 / 4000)
        yield


@pytest.fixture
def door() -> RecordingDoor:
    return RecordingDoor()


@pytest.fixture(scope="session")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, bytes]:
    """The bytes of the sample catalogs, made once: plain, and with hostile names."""
    folder = tmp_path_factory.mktemp("samples")
    return {
        hostile: make_catalog(folder / f"{hostile}.db", hostile=hostile).read_bytes()
        for hostile in (False, True)
    }


@pytest.fixture
def home(tmp_path: Path, sample_files: dict[bool, bytes]) -> Home:
    (tmp_path / "catalog.db").write_bytes(sample_files[False])
    return Home(tmp_path)


@pytest.fixture
def hostile_home(tmp_path: Path, sample_files: dict[bool, bytes]) -> Home:
    (tmp_path / "catalog.db").write_bytes(sample_files[True])
    return Home(tmp_path)


@pytest.fixture
def make_console(door: RecordingDoor) -> Iterator[Callable[..., ConsoleApp]]:
    """Makes a console with a fixed clock in UTC."""

    def make(home: Home, *, alive: bool = True, **profile: Any) -> ConsoleApp:
        options = {"refresh_s": 0.05, **profile}
        door.at(home)
        return ConsoleApp(
            home,
            profile=Profile(**options),
            door=door,
            clock=lambda: NOW,
            steady=lambda: 0.0,
            zone=UTC,
            is_alive=lambda: alive,
        )

    return make


@pytest.fixture(scope="session")
def samples(
    tmp_path_factory: pytest.TempPathFactory, sample_files: dict[bool, bytes]
) -> tuple[Any, ...]:
    """Values as the console gets them: jobs, ledger lines, estate, streams, events."""
    path = tmp_path_factory.mktemp("values") / "catalog.db"
    path.write_bytes(sample_files[True])
    with LiveCatalog(path) as live:
        return (
            (*live.active_jobs(), *live.history(HistoryFilter(active=False))),
            live.job_copies_page(2),
            live.estate(),
            live.streams(905),
            live.events(),
        )


@pytest.fixture(scope="session")
def site_catalog(tmp_path_factory):
    """The bytes of a catalog with a configuration, made once."""
    home = Home(tmp_path_factory.mktemp("site") / "home").make()
    text = WHOLE.replace("/mnt/", f"{home.path.parent}/").replace("every-n-cycles", "monthly")
    text = text.replace("every = 3\n", "")
    frontdoor.apply_text(home, text, "site.toml", dry_run=False)
    return home.catalog.read_bytes()


@pytest.fixture
def site_home(tmp_path, site_catalog):
    home = Home(tmp_path / "home").make()
    home.catalog.write_bytes(site_catalog)
    return home
