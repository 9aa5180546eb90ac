from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.catalog.home import Home
from engine.catalog.opening import Catalog, open_catalog
from engine.site.applying import apply_site
from engine.site.diffing import Change

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
Apply = Callable[..., list[Change]]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with open_catalog(Home(tmp_path / "home"), create=True) as made:
        yield made


@pytest.fixture
def apply(catalog: Catalog, tmp_path: Path) -> Apply:
    """Applies a site file in which `@` stands for the test's own directory."""

    def run(text: str, *, dry_run: bool = False) -> list[Change]:
        placed = text.replace("@", str(tmp_path))
        return apply_site(catalog, placed, "site.toml", dry_run=dry_run, now=NOW)

    return run


def summary(changes: list[Change]) -> list[tuple[str, str, str]]:
    """Kind, name and change of each."""
    return [(change.kind, change.name, change.change.value) for change in changes]
