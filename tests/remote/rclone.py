"""Servers by `rclone`: second implementations of both protocols, by other people in another language."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.remote.sshd import Sshd, free_port, make_key
from tests.stores import ACCESS_KEY, SECRET_KEY, StoreServer, await_port, write_credentials

Version = tuple[int, int]


def rclone_program(*, least: Version = (0, 0), below: Version = (99, 0)) -> str:
    """`rclone` of a version; without one, the test says loudly that it proves nothing here.

    `AUXTUI_RCLONE` names another one than that of the path.
    """
    path = os.environ.get("AUXTUI_RCLONE") or shutil.which("rclone")
    if path is None:
        pytest.skip("NOT TESTED AGAINST RCLONE HERE: install rclone")
    text = subprocess.run([path, "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v(\d+)\.(\d+)", text)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if not least <= version < below:
        wanted = f"{least} to below {below}"
        pytest.skip(f"NOT TESTED AGAINST RCLONE HERE: it is {version}, and {wanted} is wanted")
    return path


@contextmanager
def rclone_sftp(program: str, directory: Path, root: Path, *flags: str) -> Iterator[Sshd]:
    """Serves a directory over SFTP for a block; `url` takes paths below it."""
    directory.mkdir()
    make_key(directory / "host_key")
    make_key(directory / "client_key")
    server = Sshd(directory, free_port())
    server.trust()
    keys = ("--key", "host_key", "--authorized-keys", "client_key.pub")
    command = [program, "serve", "sftp", str(root), *keys, "--addr", f"127.0.0.1:{server.port}"]
    with _serving([*command, "--vfs-cache-mode", "writes", *flags], directory, server.port):
        yield server


@contextmanager
def rclone_s3(program: str, directory: Path, root: Path) -> Iterator[StoreServer]:
    """Serves the directories in one as buckets for a block."""
    directory.mkdir()
    port = free_port()
    keys = ("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}")
    command = [program, "serve", "s3", str(root), *keys, "--addr", f"127.0.0.1:{port}"]
    with _serving(command, directory, port) as process:
        credentials = write_credentials(directory / "keys")
        yield StoreServer(f"http://127.0.0.1:{port}", process, directory / "log", credentials)


@contextmanager
def _serving(command: list[str], directory: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    log = directory / "log"
    given = {**os.environ, "RCLONE_CONFIG": "", "XDG_CACHE_HOME": str(directory / "cache")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=directory, env=given, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        await_port(port, process, log)
        yield process
    finally:
        process.kill()
        process.wait()
