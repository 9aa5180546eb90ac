"""A catalog in a temporary home, empty or with a small estate."""

from __future__ import annotations

import shutil

import pytest

from engine.catalog.checking import backup_catalog
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from tests.blank import make_anew
from tests.catalog.estate import make_estate


@pytest.fixture(autouse=True)
def _catalogs_are_made(monkeypatch):
    make_anew(monkeypatch)


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """An empty catalog and one with an estate, as files to copy: making one syncs the disk often."""
    directory = tmp_path_factory.mktemp("templates")
    home = Home(directory / "home")
    with open_catalog(home, create=True) as made:
        backup_catalog(home, directory / "empty.db")
        with made.write() as session:
            make_estate(session)
        backup_catalog(home, directory / "estate.db")
    return directory


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def catalog(home, templates):
    shutil.copyfile(templates / "empty.db", home.make().catalog)
    with open_catalog(home) as opened:
        yield opened


@pytest.fixture
def estate(home, templates):
    """A catalog with a policy of three copies, two subclients, and no backup job."""
    shutil.copyfile(templates / "estate.db", home.make().catalog)
    with open_catalog(home) as opened:
        yield opened
