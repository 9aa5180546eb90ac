"""Real SSH servers on loopback, each with keys of its own; nothing of the host's configuration is used."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.library.sftp.library import SftpLibrary
from tests.library.samples import COMMCELL
from tests.ports import free_port

_PATIENCE_S = 240
_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/client_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
MaxStartups 100
MaxSessions 100
LogLevel ERROR
SetEnv HOME={directory} PATH=/usr/bin:/bin:/usr/lib/openssh:/usr/libexec/openssh:/usr/lib/ssh
{more}
"""


@dataclass
class Sshd:
    """An OpenSSH server."""

    directory: Path
    port: int
    more: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def key(self) -> Path:
        """The private key that it lets in."""
        return self.directory / "client_key"

    @property
    def known_hosts(self) -> Path:
        """Its host key, trusted."""
        return self.directory / "known_hosts"

    def url(self, root: Path | bytes, *, port: int | None = None, **options: str) -> str:
        """The URL of a library there."""
        given = {"key": str(self.key), "known_hosts": str(self.known_hosts), **options}
        query = "&".join(f"{name}={quote(value)}" for name, value in given.items() if value)
        where = quote(os.fsencode(root))
        return f"sftp://{getuser()}@127.0.0.1:{port or self.port}{where}?{query}"

    def library(self, root: Path, **options: str) -> SftpLibrary:
        """A library there."""
        return SftpLibrary.of_url("vault", self.url(root, **options), uuid="", commcell_id=COMMCELL)

    def trust(self, port: int | None = None) -> None:
        """Adds its host key to the known ones, for a port."""
        kind, key, *_ = (self.directory / "host_key.pub").read_text().split()
        with self.known_hosts.open("a") as stream:
            stream.write(f"[127.0.0.1]:{port or self.port} {kind} {key}\n")

    def start(self) -> None:
        """Starts it; it takes connections on return."""
        config = self.directory / "sshd_config"
        config.write_text(_CONFIG.format(port=self.port, directory=self.directory, more=self.more))
        log = (self.directory / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [sshd_program(), "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                raise RuntimeError((self.directory / "log").read_text())
            time.sleep(0.02)
        raise RuntimeError("sshd does not take connections")

    def sessions(self) -> list[int]:
        """Processes of its sessions, all the way down."""
        assert self.process is not None
        return _children(self.process.pid)

    def kill(self) -> None:
        """Kills it and every session at once."""
        assert self.process is not None
        for pid in [self.process.pid, *self.sessions()]:
            _signal(pid, signal.SIGKILL)
        self.process.wait(_PATIENCE_S)

    def freeze(self) -> list[int]:
        """Stops it and every session; gives what is to be thawed."""
        assert self.process is not None
        pids = [self.process.pid, *self.sessions()]
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        return pids


def thaw(pids: list[int]) -> None:
    """Lets frozen processes go on."""
    for pid in pids:
        _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    found = [int(word) for word in text.split()]
    return found + [each for child in found for each in _children(child)]


def sshd_program() -> str:
    """The OpenSSH server; without one, the test says loudly that it proves nothing here."""
    path = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None or shutil.which("ssh-keygen") is None:
        pytest.skip("SFTP IS NOT TESTED HERE: install openssh-server and openssh-client")
    return path


def make_key(path: Path, passphrase: str = "") -> None:
    """Makes a key pair."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True
    )


@contextmanager
def running_sshd(directory: Path, more: str = "") -> Iterator[Sshd]:
    """An OpenSSH server for a block.

    Args:
        directory: of its keys and its configuration.
        more: lines of the configuration.
    """
    sshd_program()
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # it separates its privileges there
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    make_key(directory / "host_key")
    make_key(directory / "client_key")
    server = Sshd(directory, free_port(), more)
    server.trust()
    server.start()
    try:
        yield server
    finally:
        server.kill()
