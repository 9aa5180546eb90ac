import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.library.local import LocalLibrary
from tests.library.local import opened
from tests.library.samples import IDENTITY


@pytest.fixture
def fast_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: for tests of many calls that prove no durability."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    path = Path(tempfile.mkdtemp(prefix="auxtui-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


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
