"""The marker of a library: whatever becomes of one byte of it, it is not taken for whole."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from blake3 import blake3

from engine.library.interface import LibraryIdentity
from engine.library.marker import Marker, identity_of, text_of

IDENTITY = LibraryIdentity(uuid="5f0c", name="vault", commcell_id="a81e", commcell="hq é")
TEXT = text_of(IDENTITY)


def test_what_is_written_is_read():
    assert identity_of(TEXT) == IDENTITY


def test_any_flipped_bit_is_found():
    for at in range(len(TEXT)):
        for bit in range(8):
            damaged = TEXT[:at] + bytes([TEXT[at] ^ 1 << bit]) + TEXT[at + 1 :]
            assert identity_of(damaged) is None, damaged


def test_any_missing_byte_is_found():
    for at in range(len(TEXT)):
        assert identity_of(TEXT[:at]) is None
        assert identity_of(TEXT[:at] + TEXT[at + 1 :]) is None


def test_one_of_an_earlier_version_or_by_hand_counts():
    by_hand = json.dumps(asdict(IDENTITY), separators=(",", ":")).encode()
    assert identity_of(by_hand) == IDENTITY
    assert identity_of(by_hand.replace(b"{", b'{"more":1,')) is None


def test_members_of_later_versions_are_passed_over():
    more = {**asdict(IDENTITY), "tier": "cold"}
    digest = blake3(json.dumps(more, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    later = json.dumps({**more, "blake3": digest}, indent=2).encode() + b"\n"
    assert identity_of(later) == IDENTITY
    assert identity_of(later.replace(b"cold", b"warm")) is None


@pytest.mark.skipif(
    not shutil.which("b3sum") or not shutil.which("jq"), reason="needs b3sum and jq"
)
def test_a_stranger_finds_the_same_digest(tmp_path: Path):
    """The line of docs/format.md."""
    (tmp_path / "auxtui-library.json").write_bytes(TEXT)
    line = "jq -jcSa 'del(.blake3)' auxtui-library.json | b3sum --no-names"
    assert line in (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    found = subprocess.run(line, shell=True, cwd=tmp_path, check=True, capture_output=True)  # noqa: S602
    assert found.stdout.decode().strip() == json.loads(TEXT)["blake3"]


@pytest.mark.parametrize(
    ("uuid", "hint"),
    [("", "apply the site file"), ("u-1", "mount the disk")],
    ids=["never marked", "marked before"],
)
def test_what_to_do_about_an_absent_marker(uuid: str, hint: str):
    error = Marker("vault", b"/mnt/vault", uuid, "c").absent()

    assert hint in error.hint
