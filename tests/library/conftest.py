import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.library.local import LocalLibrary
from tests.library.local import opened
from tests.library.samples import IDENTITY


@pytest.fixture
def root(fast_path: Path) -> Path:
    """The directory of a library."""
    root = fast_path / "library"
    root.mkdir()
    return root


@pytest.fixture
def library(root: Path) -> LocalLibrary:
    """A library in a directory, initialised."""
    library = opened(root)
    library.initialise(IDENTITY)
    return library


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """An empty landing directory."""
    landing = tmp_path / "landing"
    landing.mkdir()
    return landing


@pytest.fixture
def fd(landing: Path) -> Iterator[int]:
    """The landing directory, open."""
    fd = os.open(landing, os.O_RDONLY)
    yield fd
    os.close(fd)
