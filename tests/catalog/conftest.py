"""A catalog in a temporary home, empty or with a small estate."""

from __future__ import annotations

import pytest

from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from tests.catalog.estate import make_estate


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def catalog(home):
    with open_catalog(home, create=True) as opened:
        yield opened


@pytest.fixture
def estate(catalog):
    """The catalog with a policy of three copies, two subclients, and no backup job."""
    with catalog.write() as session:
        make_estate(session)
    return catalog
