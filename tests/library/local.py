"""What tests of a library in a directory share."""

import os
from pathlib import Path

import pytest

from engine.library.local import LocalLibrary
from tests.library.samples import COMMCELL, PLACE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT PROVEN HERE: needs root")


def opened(root: Path, uuid: str = "", boot: str = "boot-1") -> LocalLibrary:
    """A library in a directory, as a process of this boot opens it."""
    return LocalLibrary("vault", bytes(root), uuid=uuid, commcell_id=COMMCELL, boot=lambda: boot)


def copy_path(root: Path) -> Path:
    """Where the copy of the samples lies in a library."""
    return root / PLACE.policy / PLACE.copy


def partial_data(root: Path) -> Path:
    """Where the unpublished files of backup job 7 lie."""
    return copy_path(root) / ".partial" / "7" / "data"
