"""A server that speaks SFTP version 3 and nothing more: no extension, no command, requests in any order."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
from asyncssh.sftp import SFTPServerHandler

from engine.library.loopthread import LoopThread
from tests.remote.sshd import Sshd, make_key


@contextmanager
def running_plain_server(directory: Path) -> Iterator[Sshd]:
    """Such a server for a block; only the parts of `Sshd` that name it can be used."""
    directory.mkdir(parents=True, exist_ok=True)
    make_key(directory / "host_key")
    make_key(directory / "client_key")
    thread = LoopThread("plain server")

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[str(directory / "host_key")],
            authorized_client_keys=str(directory / "client_key.pub"),
            sftp_factory=asyncssh.SFTPServer,
            family=socket.AF_INET,
        )

    async def close(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()

    announced = SFTPServerHandler._extensions
    SFTPServerHandler._extensions = []
    acceptor = thread.call(listen())
    server = Sshd(directory, acceptor.get_port())
    server.trust()
    try:
        yield server
    finally:
        thread.call(close(acceptor))
        thread.stop()
        SFTPServerHandler._extensions = announced
