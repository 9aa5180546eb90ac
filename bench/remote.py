"""The engine's SFTP library against sftp, scp, rsync and rclone, on loopback and over a long line.

python -m bench.remote               one file of 2 GiB, 2,000 files of 64 KiB in one backup job and as many
                                     backup jobs, at 0 ms; a quarter of it at 50 ms: about 8 minutes
python -m bench.remote --loss 0.1    the long line loses so many per cent of its segments, emulated (bench.delay)
python -m bench.remote --short       the same in small: only shows that it runs

A server of its own on loopback; the long line is a proxy that delays every byte, so that only the
ratios within a round say something. What is over there is synced at the end of every run. The engine
also hashes what it reads, makes every file durable before it is recorded, and publishes all or nothing;
nearest to that is `rsync --fsync`, the others promise nothing.
"""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from bench.harness import (
    GIB,
    MIB,
    Program,
    Row,
    Sample,
    compare,
    present,
    reported,
    save,
    show,
    timed,
)
from bench.material import make_workload

CIPHER = "aes128-gcm@openssh.com"  # for all of them: the fastest one
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {keys}/host
AuthorizedKeysFile {keys}/client.pub
PidFile none
StrictModes no
UsePAM no
SetEnv HOME={keys}
PasswordAuthentication no
Subsystem sftp internal-sftp
MaxStartups 100
"""


class Far:
    """A way to the server.

    Args:
        keys: directory of the keys.
        port: of the server, or of the long line to it.
        is_jobs: the engine takes each entry of the source for a backup job.
    """

    def __init__(self, keys: Path, port: int, *, is_jobs: bool = False) -> None:
        self.keys = keys
        self.port = port
        self.is_jobs = is_jobs
        self.user = getpass.getuser()
        kind, key, *_ = (keys / "host.pub").read_text().split()
        with (keys / "known").open("a") as known:
            known.write(f"[127.0.0.1]:{port} {kind} {key}\n")

    @property
    def options(self) -> list[str]:
        """Of every OpenSSH program, but the port."""
        given = (
            f"IdentityFile={self.keys}/client",
            f"UserKnownHostsFile={self.keys}/known",
            "IdentitiesOnly=yes",
            f"Ciphers={CIPHER}",
        )
        return ["-F", "none", *(word for option in given for word in ("-o", option))]

    def programs(self, *, one_by_one: bool) -> list[Program]:
        """The engine first: it is the measure.

        Args:
            one_by_one: with those that copy one file after the other, which takes minutes for
                many files on a long line.
        """
        serial = [
            Program(name="sftp", needs="sftp", run=self._sftp),
            Program(name="scp", needs="scp", run=self._scp),
        ]
        return [
            Program(name="auxtui", needs=sys.executable, run=self._engine),
            *(serial if one_by_one else ()),
            Program(name="rsync -e ssh", needs="rsync", run=self._rsync),
            Program(name="rsync --fsync", needs="rsync", run=partial(self._rsync, syncs=True)),
            Program(name="rclone sftp", needs="rclone", run=self._rclone),
        ]

    def _engine(self, source: Path, target: Path) -> Sample:
        url = (
            f"sftp://{self.user}@127.0.0.1:{self.port}{target}"
            f"?key={self.keys}/client&known_hosts={self.keys}/known"
        )
        command = [sys.executable, "-m", "bench.engine_copy", str(source), url]
        return reported([*command, "--jobs"] if self.is_jobs else command)

    def _sftp(self, source: Path, target: Path) -> Sample:
        batch = self.keys / "batch"
        batch.write_text(f"put -r {source} {target}/\n")
        command = ["sftp", "-q", *self.options, "-P", str(self.port), "-b", str(batch), "127.0.0.1"]
        return timed(command, _sync(target))

    def _scp(self, source: Path, target: Path) -> Sample:
        there = f"127.0.0.1:{target}/"
        command = ["scp", "-q", "-r", *self.options, "-P", str(self.port), str(source), there]
        return timed(command, _sync(target))

    def _rsync(self, source: Path, target: Path, *, syncs: bool = False) -> Sample:
        """With `syncs` each file is durable before the next one is begun, as the engine's are when it says so."""
        shell = " ".join(["ssh", *self.options, "-p", str(self.port)])
        there = f"127.0.0.1:{target}/"
        command = ["rsync", "-a", "--whole-file", "-e", shell, str(source), there]
        return timed([*command, *(["--fsync"] if syncs else [])], _sync(target))

    def _rclone(self, source: Path, target: Path) -> Sample:
        there = (
            f":sftp,host=127.0.0.1,port={self.port},user={self.user},key_file={self.keys}/client,"
            f"known_hosts_file={self.keys}/known,disable_hashcheck=true,"
            f"chunk_size=255k,concurrency=64,ciphers={CIPHER}:{target}"
        )
        command = ["rclone", "copy", "--quiet", "--transfers", "16", str(source), there]
        return timed(command, _sync(target))


def _sync(target: Path) -> list[str]:
    return ["sync", "-f", str(target)]


@contextmanager
def running_server(keys: Path) -> Iterator[int]:
    """An OpenSSH server on loopback; gives its port."""
    for name in ("host", "client"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(command, check=True)
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (keys / "config").write_text(CONFIG.format(port=port, keys=keys))
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or "sshd"
    with subprocess.Popen([sshd, "-D", "-f", str(keys / "config")]) as server:
        try:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                if server.poll() is not None:
                    raise RuntimeError("sshd does not run")
                time.sleep(0.05)
            yield port
        finally:
            server.terminate()


@contextmanager
def delayed(port: int, round_trip_s: float, loss: float = 0.0) -> Iterator[int]:
    """A long line to a port; gives the port of its near end.

    Args:
        loss: ratio of segments that hold up what follows them (`bench.delay`).
    """
    if not round_trip_s:
        yield port
        return
    command = [sys.executable, "-m", "bench.delay", str(port), str(round_trip_s / 2), str(loss)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            yield int(proxy.stdout.readline())
        finally:
            proxy.terminate()


class Shape(NamedTuple):
    """A workload, and how it is copied."""

    name: str
    files: int
    file_bytes: int
    is_jobs: bool = False
    """Each file is a backup job; the other programs copy the files."""


def shapes_of(given: argparse.Namespace, milliseconds: int) -> list[Shape]:
    """The workloads at a round trip: less of them on a long line, where one program takes minutes."""
    size = 8 * MIB if given.short else int((given.far_gib if milliseconds else given.gib) * GIB)
    count = 40 if given.short else (given.far_files if milliseconds else given.files)
    return [
        Shape(f"one file of {size // MIB} MiB", 1, size),
        Shape(f"{count} files", count, 65536),
        Shape(f"{count} backup jobs", count, 65536, is_jobs=True),
    ]


def measure(given: argparse.Namespace, console: Console) -> list[Row]:
    """Makes each workload in turn and compares on it, at each round trip."""
    rows: list[Row] = []
    scratch = Path(tempfile.mkdtemp(prefix="auxtui-bench-", dir=given.dir))
    try:
        (scratch / "keys").mkdir()
        with running_server(scratch / "keys") as server:
            for milliseconds in given.round_trip:
                for number, shape in enumerate(shapes_of(given, milliseconds), 1):
                    if given.only and number not in given.only:
                        continue
                    workload = make_workload(
                        scratch / "sources", shape.name, shape.files, shape.file_bytes
                    )
                    with delayed(server, milliseconds / 1000, given.loss / 100) as port:
                        far = Far(scratch / "keys", port, is_jobs=shape.is_jobs)
                        chosen = far.programs(one_by_one=not (milliseconds and shape.files > 1))
                        rows += compare(
                            workload,
                            present(chosen, console),
                            scratch,
                            rounds=given.rounds,
                            cache="as it is" if given.short else "warm",
                            title=f"{shape.name}, {milliseconds} ms{_lossy(given, milliseconds)}",
                        )
                    shutil.rmtree(workload.source)
    finally:
        shutil.rmtree(scratch)
    show(rows, console)
    return rows


def _lossy(given: argparse.Namespace, milliseconds: int) -> str:
    return f", {given.loss:g} % of segments lost (emulated)" if given.loss and milliseconds else ""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="small and once, for a quick check")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each program (default 2)")
    parser.add_argument("--gib", type=float, default=2, help="size of the large file (default 2)")
    parser.add_argument("--files", type=int, default=2000, help="small files (default 2000)")
    parser.add_argument("--far-gib", type=float, default=0.5, help="on the long line (default 0.5)")
    parser.add_argument("--far-files", type=int, default=500, help="there (default 500)")
    parser.add_argument("--only", type=int, nargs="+", choices=(1, 2, 3), help="workloads")
    parser.add_argument("--round-trip", type=int, nargs="+", default=[0, 50], help="milliseconds")
    parser.add_argument("--loss", type=float, default=0, help="%% of segments, on the long line")
    parser.add_argument("--dir", help="where to copy (default: the temporary directory)")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    given = parser.parse_args()
    if given.short:
        given.rounds = 1
    rows = measure(given, Console())
    if given.json:
        save(rows, given.json)


if __name__ == "__main__":
    main()
