"""A CommCell with content that auxtui itself backs up, for tests of backups and their restores."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from engine.catalog import config, jobs, ledger
from engine.catalog.opening import open_catalog
from engine.catalog.values import JobCopyValue, JobValue, SubclientValue
from engine.control import frontdoor
from engine.policy.values import RunOptions
from engine.site.applying import apply_site
from tests.cell import Cell

SITE = """
[media_agents.here]

[libraries.fast]
url = "{fast}"
[libraries.vault]
url = "{root}/vault"
[libraries.shelf]
url = "{root}/shelf"

[clients.web.subclients.www]
policy = "files"
content = ["{root}/source"]
{keys}

[policies.files.copies.primary]
library = "fast"
{primary}
[policies.files.copies.offsite]
kind = "synchronous"
library = "vault"
[policies.files.copies.second]
kind = "synchronous"
library = "shelf"
{extra}
"""
NAME = "web/www"


@dataclass
class BackupCell(Cell):
    """One CommCell below a directory, with a tree that is backed up."""

    source: Path = field(init=False)
    fast: str = ""
    """URL of the primary's library; a directory unless it is set."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.source = self.root / "source"
        self.source.mkdir()
        for name in ("fast", "vault", "shelf"):
            (self.root / name).mkdir()

    def configure(self, keys: str = "", extra: str = "", *, primary: str = "") -> None:
        """Applies the site file."""
        self.home.make()
        catalog = open_catalog(self.home, create=True)
        text = SITE.format(
            root=self.root,
            fast=self.fast or self.root / "fast",
            keys=keys,
            extra=extra,
            primary=primary,
        )
        try:
            apply_site(catalog, text, "site.toml", dry_run=False, now=datetime.now(UTC))
        finally:
            catalog.close()

    def back_up(self, level: str | None = None, *, accept: bool = False) -> JobValue:
        """Runs a backup to its end."""
        return self.wait(
            frontdoor.run_backup(self.home, NAME, level=level, accept=accept, by="test")
        )

    def copy_all(self) -> JobValue:
        """Runs the auxiliary copy to its end."""
        return self.wait(frontdoor.run_auxcopy(self.home, "files", RunOptions(), by="test"))

    def on_primary(self, job_id: int) -> Path:
        """The directory of a job copy."""
        return self.root / "fast" / "files" / "primary" / str(job_id)

    def lines(self, job_id: int) -> dict[str, JobCopyValue]:
        """The ledger of a backup job by copy."""
        catalog = open_catalog(self.home)
        try:
            with catalog.read() as session:
                policy = config.policy(session, "files")
                names = {copy.id: copy.name for copy in config.copies(session, policy.id)}
                return {names[line.copy_id]: line for line in ledger.copies_of(session, job_id)}
        finally:
            catalog.close()

    def subclient(self) -> SubclientValue:
        """The subclient as the catalog has it."""
        catalog = open_catalog(self.home)
        try:
            with catalog.read() as session:
                return config.content_subclient(session, NAME)
        finally:
            catalog.close()

    def errors(self, job_id: int) -> list[str]:
        """What a job says went wrong, path and error."""
        catalog = open_catalog(self.home)
        try:
            with catalog.read() as session:
                return [f"{one.path}: {one.error}" for one in jobs.errors(session, job_id)]
        finally:
            catalog.close()

    def restored(self, target: Path) -> Path:
        """Where a restore into a target has put the source."""
        return target / os.path.relpath(self.source, "/")
