"""Servers that speak SFTP version 3 and nothing more, requests in any order; and odd ones among them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.sftp import SFTPServerHandler

from engine.library.loopthread import LoopThread
from tests.remote.sshd import Sshd, make_key


class Boasting(asyncssh.SFTPServer):
    """Announces what it refuses when it is asked for it; makes a directory that is there already."""

    announces = (
        (b"statvfs@openssh.com", b"2"),
        (b"hardlink@openssh.com", b"1"),
        (b"posix-rename@openssh.com", b"1"),
        (b"lsetstat@openssh.com", b"1"),
    )

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        if not Path(self.map_path(path).decode()).is_dir():
            super().mkdir(path, attrs)

    def _refuse(self, *_: object) -> Any:
        raise asyncssh.SFTPOpUnsupported("no such thing")

    statvfs = link = posix_rename = lsetstat = symlink = _refuse


class ByName(Boasting):
    """Knows an open file by its name: what is written after a rename is taken, and lost."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(chan)
        self._names: dict[int, bytes] = {}

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        file = super().open(path, pflags, attrs)
        self._names[id(file)] = path
        return file

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        for file, name in list(self._names.items()):
            if name == oldpath:
                self._names[file] = b""

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if self._names[id(file_obj)]:
            return int(super().write(file_obj, offset, data))
        return len(data)


class Losing(Boasting):
    """Loses what is in a file called `loses` when it or a directory above it is renamed.

    It loses the line, too, instead of a rename to what ends with `cuts`.
    """

    loses = b"manifest.jsonl.zst"
    cuts = b""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if self.cuts and newpath.endswith(self.cuts):
            self.channel.get_connection().abort()
            raise asyncssh.SFTPConnectionLost("cut")
        super().rename(oldpath, newpath)
        there = Path(self.map_path(newpath).decode())
        inside = there.rglob(self.loses.decode()) if there.is_dir() else ()
        for path in (there,) if there.name == self.loses.decode() else inside:
            path.chmod(0o600)
            path.write_bytes(b"")


class InOrder(Boasting):
    """Writes a file only from its beginning on."""

    def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        if offset != file_obj.seek(0, 2):
            raise asyncssh.SFTPFailure("not in order")
        return int(super().write(file_obj, offset, data))


@contextmanager
def running_plain_server(
    directory: Path,
    factory: type[asyncssh.SFTPServer] = asyncssh.SFTPServer,
    announces: Sequence[tuple[bytes, bytes]] = (),
) -> Iterator[Sshd]:
    """Such a server for a block; only the parts of `Sshd` that name it can be used."""
    directory.mkdir(parents=True, exist_ok=True)
    make_key(directory / "host_key")
    make_key(directory / "client_key")
    thread = LoopThread("plain server")
    clients: list[asyncssh.SSHServerConnection] = []

    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            clients.append(conn)

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[str(directory / "host_key")],
            authorized_client_keys=str(directory / "client_key.pub"),
            sftp_factory=factory,
            server_factory=Server,
            family=socket.AF_INET,
        )

    async def close(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        for client in clients:
            client.abort()
            await client.wait_closed()

    announced = SFTPServerHandler._extensions
    SFTPServerHandler._extensions = list(announces)
    acceptor = thread.call(listen())
    server = Sshd(directory, acceptor.get_port())
    server.trust()
    try:
        yield server
    finally:
        thread.call(close(acceptor))
        thread.stop()
        SFTPServerHandler._extensions = announced
