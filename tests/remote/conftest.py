"""Servers that the tests of this directory share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.sshd import Sshd, running_sshd


@pytest.fixture(scope="session")
def forced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An OpenSSH server where an account may use SFTP and nothing else."""
    with running_sshd(tmp_path_factory.mktemp("forced"), "ForceCommand internal-sftp") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of a library."""
    path = tmp_path / "library"
    path.mkdir()
    return path
