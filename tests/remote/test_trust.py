"""Host keys, logins and secrets: refused with the reason, the fingerprint and what to do."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_IGNORE, MSG_USERAUTH_REQUEST

from auxtui.cli.main import main
from engine.library.sftp.address import parse_address
from engine.library.sftp.library import SftpLibrary
from engine.library.sftp.link import hang_up
from engine.model.errors import HostKeyRefused, LibraryOffline, UsageError
from tests.cell import Cell
from tests.control.upkeep import events_of, serving
from tests.library.samples import COMMCELL, IDENTITY
from tests.remote.sshd import Sshd, make_key


def fingerprint_of(sshd: Sshd) -> str:
    said = subprocess.run(
        ["ssh-keygen", "-lf", str(sshd.directory / "host_key.pub")],
        check=True,
        capture_output=True,
        text=True,
    )
    return said.stdout.split()[1]


def other_key(sshd: Sshd, tmp_path: Path, kind: str = "ed25519") -> Path:
    """A file that trusts another key for this host."""
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
    algorithm, blob, *_ = key.with_suffix(".pub").read_text().split()
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{sshd.port} {algorithm} {blob}\n")
    return known


def test_an_unknown_key_is_refused_with_its_fingerprint(sshd: Sshd, root: Path, tmp_path: Path):
    library = sshd.library(root, known_hosts=str(tmp_path / "none"))

    with pytest.raises(HostKeyRefused, match="is unknown") as refused:
        library.initialise(IDENTITY)

    assert fingerprint_of(sshd) in refused.value.message
    assert "auxtui library trust vault" in refused.value.hint
    assert not refused.value.is_changed
    assert list(root.iterdir()) == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_changed_key_is_refused_as_such(sshd: Sshd, root: Path, tmp_path: Path, kind: str):
    known = other_key(sshd, tmp_path, kind)
    before = known.read_text()
    library = sshd.library(root, known_hosts=str(known))

    with pytest.raises(HostKeyRefused, match="has changed") as refused:
        library.initialise(IDENTITY)

    assert fingerprint_of(sshd) in refused.value.message
    assert refused.value.is_changed
    assert known.read_text() == before


@pytest.fixture
def far(sshd: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cell:
    """A CommCell whose library lies on a host that nobody trusts yet."""
    cell = Cell(tmp_path / "cell")
    (cell.root / "vault").mkdir()
    cell.vault = sshd.url(cell.root / "vault", known_hosts=str(tmp_path / "known"))
    cell.apply()
    capsys.readouterr()
    return cell


def auxtui(cell: Cell, *words: str) -> int:
    return main([*words, "--home", str(cell.home.path)])


def test_a_key_is_trusted_by_whoever_names_it(
    far: Cell, sshd: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    right = fingerprint_of(sshd)

    assert auxtui(far, "library", "trust", "vault", "--json") == 2
    assert right in capsys.readouterr().err
    assert auxtui(far, "library", "trust", "vault", "--fingerprint", "SHA256:no", "--json") == 2
    assert not (tmp_path / "known").exists()
    assert auxtui(far, "library", "trust", "vault", "--fingerprint", right, "--json") == 0
    assert json.loads(capsys.readouterr().out)["fingerprint"] == right
    assert (tmp_path / "known").stat().st_mode & 0o077 == 0

    hang_up()
    far.apply()
    assert auxtui(far, "library", "test", "vault", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["works"]
    assert found["line"]["transport"] == "sftp"
    assert found["steps"][0]["step"] == "write and sync"
    assert auxtui(far, "library", "show", "vault", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["state"], shown["last_error"]) == ("online", shown["last_error"])
    assert "is unknown" in shown["last_error"]
    assert shown["line"]["latency_ms"] > 0
    assert auxtui(far, "library", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["libraries"]
    assert [one["library"] for one in listed] == ["shelf", "vault"]
    assert auxtui(far, "doctor") == 0
    assert "library vault is online" in capsys.readouterr().out
    assert not [p for p in (far.root / "vault").iterdir() if "probe" in p.name]


def test_a_changed_key_is_never_trusted_over_the_old_one(
    far: Cell, sshd: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    known = other_key(sshd, tmp_path)
    before = known.read_text()

    code = auxtui(far, "library", "trust", "vault", "--fingerprint", fingerprint_of(sshd))

    assert code == 75
    assert "is not replaced" in capsys.readouterr().err
    assert known.read_text() == before


def test_a_changed_key_is_an_event_and_ends_the_job_at_once(
    sshd: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cell = Cell(tmp_path / "cell")
    (cell.root / "vault").mkdir()
    known = tmp_path / "known"
    known.write_text(sshd.known_hosts.read_text())
    cell.vault = sshd.url(cell.root / "vault", known_hosts=str(known))
    cell.apply()
    cell.dump("one.dump")
    other_key(sshd, tmp_path)
    hang_up()
    with serving(cell):
        cell.scan()
        job = cell.run()
        assert (job.state, job.attempts) == ("failed", 1)  # whatever number is allowed
        assert "has changed" in job.reason
        (event, *_) = events_of(cell, "library.host_key_changed")
        assert fingerprint_of(sshd) in event.message
        known.write_text(sshd.known_hosts.read_text())
        hang_up()
        assert cell.run().state == "completed"
    assert list(cell.on_media())


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(sshd: Sshd, root: Path, tmp_path: Path, mode: int):
    key = tmp_path / "key"
    key.write_bytes(sshd.key.read_bytes())
    key.chmod(mode)

    with pytest.raises(LibraryOffline, match="can be read by others"):
        sshd.library(root, key=str(key)).probe()


def test_a_login_that_is_refused_says_so(sshd: Sshd, root: Path, tmp_path: Path):
    make_key(tmp_path / "key")

    with pytest.raises(LibraryOffline, match="refused the login with the key"):
        sshd.library(root, key=str(tmp_path / "key")).probe()


def test_a_login_asks_nothing_that_it_need_not(
    sshd: Sshd, root: Path, monkeypatch: pytest.MonkeyPatch
):
    sent: list[int] = []
    usual = SSHConnection.send_packet

    def send_packet(connection: SSHConnection, kind: int, *args: bytes, **more: Any) -> None:
        sent.append(kind)
        usual(connection, kind, *args, **more)

    monkeypatch.setattr(SSHConnection, "send_packet", send_packet)
    hang_up()

    sshd.library(root).initialise(IDENTITY)

    assert sent.count(MSG_USERAUTH_REQUEST) == 1
    assert MSG_IGNORE not in sent


def test_a_login_without_key_and_agent_says_so(
    sshd: Sshd, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    with pytest.raises(LibraryOffline, match="the service has no agent"):
        sshd.library(root, key="").initialise(IDENTITY)


def test_an_address_of_ipv6_and_its_port_are_told_apart():
    given = parse_address("vault", "sftp://backup@[::1]:2222/srv/auxtui")

    assert (given.host, given.port, given.label) == ("::1", 2222, "[::1]:2222")


def test_a_key_with_a_passphrase_belongs_into_an_agent(sshd: Sshd, root: Path, tmp_path: Path):
    make_key(tmp_path / "key", "correct horse")

    with pytest.raises(LibraryOffline, match="cannot be used") as refused:
        sshd.library(root, key=str(tmp_path / "key")).probe()

    assert "agent" in refused.value.hint


def test_the_keys_of_an_agent_are_used(
    sshd: Sshd, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hang_up()  # a refusal is remembered for a while, and this host has refused such a login before
    sockets = tmp_path / "agent"
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(sockets)], stdout=subprocess.DEVNULL
    ) as agent:
        try:
            while not sockets.exists():
                assert agent.poll() is None
            monkeypatch.setenv("SSH_AUTH_SOCK", str(sockets))
            subprocess.run(["ssh-add", "-q", str(sshd.key)], check=True, capture_output=True)
            library = sshd.library(root, key="")
            assert library.initialise(IDENTITY) == IDENTITY
        finally:
            agent.terminate()


def test_a_configuration_file_is_read_when_it_is_named(sshd: Sshd, root: Path, tmp_path: Path):
    config = tmp_path / "config"
    config.write_text(f"Host store\n  HostName 127.0.0.1\n  Port {sshd.port}\n")
    url = sshd.url(root, config=str(config)).replace(f"127.0.0.1:{sshd.port}", "store")

    library = SftpLibrary.of_url("vault", url, uuid="", commcell_id=COMMCELL)

    assert library.initialise(IDENTITY) == IDENTITY


def test_a_jump_host_is_gone_through(sshd: Sshd, forced: Sshd, root: Path, tmp_path: Path):
    keys = tmp_path / "authorized"
    keys.write_bytes(sshd.known_hosts.read_bytes() + forced.known_hosts.read_bytes())
    jump = f"127.0.0.1:{sshd.port}"
    library = sshd.library(root, jump=jump, known_hosts=str(keys))

    assert library.initialise(IDENTITY) == IDENTITY
    with pytest.raises(HostKeyRefused, match="unknown"):
        sshd.library(root, jump=f"127.0.0.1:{forced.port}").probe()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sftp://h", "names no directory"),
        ("sftp://h/", "names no directory"),
        ("sftp://h/~/", "names no directory"),
        ("sftp://h/a/../b", r"\.\."),
        ("sftp://h/a?known_host=x", "is no option"),
        ("sftp://h/a?key=x", "absolute path"),
        ("sftp://h/a?key=", "says nothing"),
        ("sftp://h/a?key=/a&key=/b", "twice"),
        ("sftp://h/a?connections=9", "from 1 to 4"),
        ("sftp://h/a?exec=maybe", "yes or no"),
        ("sftp://h/a?jump=a%20b", "not user@host:port"),
        ("sftp://h/a#b", "#"),
        ("sftp:///a", "no host"),
        ("sftp://u:p@h/a", "password"),
        ("sftp://h:0x/a", "not a URL"),
    ],
)
def test_a_url_that_says_something_else_is_refused(url: str, why: str):
    with pytest.raises(UsageError, match=why):
        parse_address("vault", url)


def test_a_path_of_a_url_is_bytes_and_may_be_below_the_login():
    assert parse_address("v", "sftp://h/a%20b%ff//c/").path == b"/a b\xff/c"
    assert parse_address("v", "sftp://h/~/a/b").path == b"a/b"


def test_no_secret_is_told_anywhere(sshd: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Key material and a passphrase that this test plants, in everything that is written or shown."""
    passphrase = f"correct-horse-battery-{os.getpid()}"
    make_key(tmp_path / "locked", passphrase)
    cell = Cell(tmp_path / "cell")
    (cell.root / "vault").mkdir()
    secrets = {passphrase.encode()}
    for key in (sshd.key, tmp_path / "locked"):
        lines = key.read_bytes().splitlines()
        secrets |= {line for line in lines if line and b"-----" not in line}
    try:
        cell.vault = sshd.url(cell.root / "vault", key=str(tmp_path / "locked"))
        cell.apply()
        hang_up()
        cell.vault = sshd.url(cell.root / "vault")
        cell.apply()
        cell.dump("one.dump")
        cell.scan()
        assert cell.run().state == "completed"
        command_lines = b"".join(map(our_command_line, Path("/proc").glob("[0-9]*/cmdline")))
        auxtui(cell, "export")
        auxtui(cell, "library", "show", "vault")
        auxtui(cell, "doctor")
        shown = "".join(capsys.readouterr()).encode()
        kept = b"".join(p.read_bytes() for p in cell.home.path.rglob("*") if p.is_file())
        copied = b"".join(p.read_bytes() for p in (cell.root / "vault").rglob("*") if p.is_file())
    finally:
        cell.close()
    for secret in secrets:
        assert secret not in command_lines
        assert secret not in shown
        assert secret not in kept
        assert secret not in copied


def our_command_line(path: Path) -> bytes:
    """Empty when it is another user's, or when the process has ended meanwhile."""
    try:
        return path.read_bytes() if path.stat().st_uid == os.geteuid() else b""
    except OSError:
        return b""
