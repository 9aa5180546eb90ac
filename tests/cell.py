"""A whole CommCell for tests: real directories, a real catalog, a real service process."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from engine.catalog import ledger
from engine.catalog.config import copies, policy
from engine.catalog.home import Home
from engine.catalog.jobs import load_job
from engine.catalog.opening import open_catalog
from engine.catalog.values import JobCopyValue, JobValue
from engine.control import frontdoor
from engine.control.lock import is_held, read_holder
from engine.policy.values import RunOptions
from engine.site.applying import apply_site

SITE = """
[commcell]
name = "test"
{commcell}

[media_agents.here]
max_streams = {streams}

[libraries.vault]
url = "{vault}"
media_agents = ["here"]

[libraries.shelf]
url = "{root}/shelf"
media_agents = ["here"]

[clients.db1.subclients.pg]
policy = "databases"
landing = "{root}/landing"
pattern = "{pattern}"
settle = "0s"

[policies.databases.copies.primary]

[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
{offsite}
"""

SECOND = """
[policies.databases.copies.second]
kind = "synchronous"
library = "shelf"
"""

JOURNAL_LINES = 3
"""A journal that has so many has chunks in it: the first is its header."""


@dataclass
class Cell:
    """One CommCell below a directory; `close` stops its service."""

    root: Path
    vault: str = ""
    """URL of the library `vault`; empty: a directory of this host."""
    home: Home = field(init=False)
    landing: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = Home(self.root / "home")
        self.landing = self.root / "landing"
        self.landing.mkdir(parents=True)

    def apply(
        self,
        extra: str = "",
        *,
        commcell: str = "",
        offsite: str = "",
        streams: int = 2,
        pattern: str = "*",
    ) -> None:
        """Applies the test's site file, with further tables and keys."""
        text = SITE.format(
            root=self.root,
            vault=self.vault or self.root / "vault",
            commcell=commcell,
            offsite=offsite,
            streams=streams,
            pattern=pattern,
        )
        text += extra
        self.home.make()
        catalog = open_catalog(self.home, create=True)
        try:
            apply_site(catalog, text, "site.toml", dry_run=False, now=datetime.now(UTC))
        finally:
            catalog.close()

    def dump(self, name: str, size: int = 100_000, *, seed: str = "") -> Path:
        """A file with content that depends on its name alone."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(f"{name}{seed}", size))
        return path

    def scan(self) -> dict[str, object]:
        """Adopts what is there."""
        return frontdoor.run_scan(self.home, None, by="test")

    def start(self, **options: object) -> int:
        """Starts an auxiliary copy of the policy."""
        return frontdoor.run_auxcopy(
            self.home,
            "databases",
            RunOptions(**options),  # type: ignore[arg-type]
            by="test",
        )

    def run(self, **options: object) -> JobValue:
        """Runs an auxiliary copy to its end."""
        return self.wait(self.start(**options))

    def wait(self, job_id: int) -> JobValue:
        """Waits for the end of a job."""
        return frontdoor.wait_for_job(self.home, job_id, interval_s=0.02)

    def until(
        self, job_id: int, wanted: Callable[[JobValue], bool], *, within_s: float = 240
    ) -> JobValue:
        """Waits until a job is as wanted."""
        end = time.monotonic() + within_s
        with open_catalog(self.home) as catalog:
            while True:
                with catalog.read() as session:
                    job = load_job(session, job_id)
                if wanted(job):
                    return job
                if time.monotonic() > end:
                    raise AssertionError(f"job never became as wanted: {job}")
                time.sleep(0.01)

    def journaled(self, *, within_s: float = 240) -> None:
        """Waits until the journal of an unpublished job copy proves some chunks."""
        end = time.monotonic() + within_s
        while not any(
            journal.read_bytes().count(b"\n") >= JOURNAL_LINES
            for journal in self.root.glob("*/databases/*/.partial/*/journal")
        ):
            assert time.monotonic() < end, "no chunk was ever proven"
            time.sleep(0.01)

    def ledger(self, copy: str = "offsite") -> dict[bytes, JobCopyValue]:
        """The job copies of a copy by the name of the adopted entry."""
        catalog = open_catalog(self.home)
        try:
            with catalog.read() as session:
                policy_id = policy(session, "databases").id
                copy_id = next(c.id for c in copies(session, policy_id) if c.name == copy)
                return {
                    ledger.backup_job(session, line.backup_job_id).name: line
                    for line in ledger.job_copies(session, copy_id)
                }
        finally:
            catalog.close()

    def kill9(self) -> None:
        """Kills the service as a crash would, and waits until it is gone."""
        while is_held(self.home.service_lock):
            holder = read_holder(self.home.service_lock)
            if holder is not None:  # else it is just starting
                assert holder.pid != os.getpid(), "a service of this process is stopped, not killed"
                with suppress(ProcessLookupError):
                    os.kill(holder.pid, signal.SIGKILL)
            time.sleep(0.002)

    def close(self) -> None:
        """Stops the service."""
        if self.home.catalog.exists() and is_held(self.home.service_lock):
            try:
                frontdoor.stop_service(self.home, by="test")
            finally:
                self.kill9()

    def on_media(self, library: str = "vault", copy: str = "offsite") -> dict[int, Path]:
        """Directories of the published job copies."""
        place = self.root / library / "databases" / copy
        if not place.exists():
            return {}
        return {int(d.name): d for d in sorted(place.iterdir()) if d.name.isdigit()}

    def assert_copied(self, library: str = "vault", copy: str = "offsite") -> None:
        """Every available job copy is on the media, byte for byte as in the landing directory."""
        media = self.on_media(library, copy)
        for name, line in self.ledger(copy).items():
            if line.state != "available":
                continue
            data = media[line.backup_job_id] / "data"
            source = self.landing / os.fsdecode(name)
            assert tree(data / os.fsdecode(name)) == tree(source), name


def content(seed: str, size: int) -> bytes:
    """Reproducible bytes without structure."""
    return hashlib.shake_128(seed.encode("utf-8", "surrogateescape")).digest(size)


def tree(path: Path) -> dict[str, object]:
    """Everything below a path that a copy must keep."""
    found: dict[str, object] = {}
    paths = [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]
    for item in paths:
        stat = item.lstat()
        key = os.fspath(item.relative_to(path))
        if item.is_symlink():
            found[key] = ("link", os.readlink(item))
        elif item.is_dir():
            found[key] = ("directory", stat.st_mode, stat.st_mtime_ns)
        else:
            digest = hashlib.sha256(item.read_bytes()).hexdigest()
            found[key] = ("file", stat.st_mode, stat.st_mtime_ns, digest)
    return found
