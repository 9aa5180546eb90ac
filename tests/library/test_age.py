"""Keys of age: what is taken for one, which files are read, and that nothing of them is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pyrage
import pytest

from engine.library.age import checked_recipient, load_identities
from engine.model.encoding import PLAIN, encoding_from_text, encoding_of
from engine.model.errors import UsageError


def written(path: Path, content: str | bytes, mode: int = 0o600) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return str(path)


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key without a passphrase and one with."""
    directory = tmp_path_factory.mktemp("ssh")
    for name, phrase in (("open", ""), ("closed", "secret")):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", directory / name], check=True
        )
    return directory


def test_keys_of_age_and_ssh_open_what_is_encrypted_to_them(tmp_path: Path, ssh: Path) -> None:
    key = pyrage.x25519.Identity.generate()
    public = str(key.to_public())
    file = written(tmp_path / "key", f"# created: now\n# public key: {public}\n{key}\n")
    ssh_public = checked_recipient((ssh / "open.pub").read_text())

    found = load_identities([file, str(ssh / "open")])

    assert found.problems == ()
    assert len(found.keys) == 2
    assert found.may_open(encoding_of("zstd", (public,)))
    assert found.may_open(encoding_of("none", (ssh_public,)))
    assert found.may_open(PLAIN)
    other = str(pyrage.x25519.Identity.generate().to_public())
    assert not found.may_open(encoding_of("none", (other,)))


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("{key}", 0o640, "others may read it (mode 0640)"),
        ("{key}", 0o604, "others may read it (mode 0604)"),
        ("", 0o600, "no key in it"),
        ("# only a comment\n", 0o600, "no key in it"),
        ("AGE-SECRET-KEY-1QQ\n", 0o600, "not a key"),
        ("{key}X\n", 0o600, "not a key"),
        ("age-encryption.org/v1\n-> scrypt\n", 0o600, "not a key"),
        ("\udcff\n", 0o600, "not a file of keys"),
        ("x" * 70_000, 0o600, "too large"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", 0o600, "not a key"),
    ],
)
def test_a_file_that_is_no_key_is_a_problem_that_tells_nothing_of_it(
    tmp_path: Path, content: str, mode: int, why: str
) -> None:
    key = str(pyrage.x25519.Identity.generate())
    text = content.replace("{key}", key).encode("utf-8", "surrogateescape")

    found = load_identities([written(tmp_path / "key", text, mode)])

    [problem] = found.problems
    assert why in problem
    assert key[20:] not in problem
    assert found.keys == ()
    assert not found.may_open(encoding_of("none", ("age1x",)))


def test_a_key_with_a_passphrase_a_missing_file_and_a_pipe_are_problems(
    tmp_path: Path, ssh: Path
) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    found = load_identities(
        [str(ssh / "closed"), str(tmp_path / "missing"), str(tmp_path / "pipe"), str(tmp_path)]
    )

    said = " ".join(found.problems)
    assert len(found.problems) == 4
    assert "without a passphrase" in said
    assert "no such file" in said
    assert "not a regular file" in said


def test_one_bad_file_does_not_hide_the_good_ones(tmp_path: Path) -> None:
    key = pyrage.x25519.Identity.generate()

    found = load_identities(["/missing", written(tmp_path / "key", f"{key}\n")])

    assert len(found.problems) == 1
    assert found.may_open(encoding_of("none", (str(key.to_public()),)))


@pytest.mark.parametrize(
    "text", ["", "age1", "age1qq", "ssh-ed25519", "ssh-dss AAAA", "x y", "\x1b[2J"]
)
def test_what_is_no_recipient_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an age recipient"):
        checked_recipient(text)


def test_a_secret_key_as_recipient_is_not_repeated() -> None:
    secret = str(pyrage.x25519.Identity.generate())

    for text in (secret, secret.lower(), f" {secret}"):
        with pytest.raises(UsageError) as caught:
            checked_recipient(text)
        assert secret[20:].lower() not in f"{caught.value.message}{caught.value.hint}".lower()


def test_encodings_compare_by_what_they_do() -> None:
    one = encoding_of("zstd", ("ssh-ed25519 AAAA anna", "age1b", "age1a"))
    other = encoding_of("zstd", ("age1a", "age1b", "ssh-ed25519 AAAA bert", "age1a"))

    assert one == other
    assert encoding_from_text(one.text) == one
    assert encoding_from_text(PLAIN.text) == PLAIN
    assert one != encoding_of("none", one.encrypt_to)
    assert (one.suffix, PLAIN.suffix) == (b".zst.age", b"")
