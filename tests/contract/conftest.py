"""The libraries that must all do the same."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.library.interface import Library
from engine.library.local import LocalLibrary
from engine.library.memory import MemoryLibrary
from engine.library.objects.library import ObjectLibrary
from tests.library.samples import COMMCELL, IDENTITY
from tests.remote.sshd import Sshd

Opener = Callable[[], Library]


@pytest.fixture(params=["local", "memory", "sftp", "plain-sftp", "s3"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same library each time, as another process would."""
    if request.param == "s3":
        server = request.getfixturevalue("moto")
        url, home = server.url(server.bucket()), tmp_path / "home"
        home.mkdir()
        return lambda: ObjectLibrary.of_url("vault", url, home=home, uuid="", commcell_id=COMMCELL)
    if request.param == "memory":
        memory = MemoryLibrary(commcell_id=COMMCELL)
        return lambda: memory
    root = tmp_path / "library"
    root.mkdir()
    if request.param in ("sftp", "plain-sftp"):
        kind = "sshd" if request.param == "sftp" else "plain_sftp"
        server: Sshd = request.getfixturevalue(kind)
        return lambda: server.library(root)
    return lambda: LocalLibrary("vault", bytes(root), uuid="", commcell_id=COMMCELL)


@pytest.fixture
def library(opener: Opener) -> Library:
    library = opener()
    library.initialise(IDENTITY)
    return library
