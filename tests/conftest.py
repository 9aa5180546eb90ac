import gc
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from auxtui.cli import waiting
from engine.control import asking, frontdoor, starting
from tests import memory
from tests.blank import copy_instead
from tests.cell import Cell
from tests.control.backups import BackupCell
from tests.faults.services import Nursery
from tests.halfhours import keep_quiet
from tests.looks import SOON_S, look_often
from tests.remote.plain import running_plain_server
from tests.remote.sshd import Sshd, running_sshd
from tests.stores import StoreServer, moto_server

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background jobs inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

PATIENCE_S = 240.0

LONGEST = (
    "tests/console/test_meter.py",
    "tests/control/test_ledger_machine.py",
    "tests/control/test_object_stores.py",
    "tests/e2e/",
    "tests/faults/",
    "tests/library/test_local_crashes.py",
    "tests/remote/test_bench.py",
)
"""Tests of many seconds: they come first, so that none of them is the last to begin."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: to look for garbage in it took half of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """One nursery for all services that the tests of this process start."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def _services_are_forked(nursery: Nursery) -> Iterator[None]:
    """Whoever asks for a service in this process gets one of the nursery; programs start their own.

    It is waited for as long as a busy host needs.
    """
    with pytest.MonkeyPatch.context() as patch:
        keep_quiet(patch)
        look_often(patch)
        copy_instead(patch)
        patch.setattr(waiting, "POLL_S", SOON_S)
        patch.setattr(asking, "start_detached", nursery.start_as_asked)
        patch.setattr(starting, "READY_TIMEOUT_S", PATIENCE_S)
        for call in (asking.request, frontdoor.stop_service):
            patch.setitem(call.__kwdefaults__, "timeout_s", PATIENCE_S)
        yield


@pytest.fixture
def fast_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: for tests of many calls that prove no durability."""
    with memory.directory() as path:
        yield path or tmp_path


@pytest.fixture
def cell(fast_path: Path) -> Iterator[Cell]:
    """An empty CommCell; its service is killed at the end."""
    made = Cell(fast_path / "cell")
    yield made
    made.kill9()


@pytest.fixture
def backup_cell(fast_path: Path) -> Iterator[BackupCell]:
    """A CommCell that backs up a tree by itself, not configured yet; its service is killed at the end."""
    made = BackupCell(fast_path / "cell")
    yield made
    made.kill9()


@pytest.fixture(scope="session")
def moto() -> Iterator[StoreServer]:
    """A server that speaks S3; it verifies no checksums."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An OpenSSH server that only serves; a test that hurts it starts its own."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def plain_sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server of SFTP version 3 without any extension."""
    with running_plain_server(tmp_path_factory.mktemp("plain")) as server:
        yield server
