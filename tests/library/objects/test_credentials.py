"""Keys of an object store: from where they are taken, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.model.errors import LibraryOffline
from tests.library.objects.conftest import Bucket
from tests.library.samples import IDENTITY
from tests.stores import SECRET_KEY


class TestCredentials:
    """From where they come, and that they go nowhere else."""

    def test_a_file_that_others_can_read(self, bucket: Bucket, tmp_path: Path):
        keys = tmp_path / "keys"
        keys.write_text(f"[default]\naws_access_key_id=a\naws_secret_access_key={SECRET_KEY}\n")
        keys.chmod(0o640)

        with pytest.raises(LibraryOffline, match=r"can be read by others \(mode 0640\)"):
            bucket.open(credentials=str(keys)).initialise(IDENTITY)

        keys.chmod(0o600)
        bucket.open(credentials=str(keys)).initialise(IDENTITY)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "has no"),
            ("[other]\n", "has no"),
            ("[default]\naws_access_key_id = a\n", "lacks a key"),
            (f"{SECRET_KEY}\n", "is not one"),
            ("[default]\naws_access_key_id = \xff\n", "is not one"),
        ],
    )
    def test_a_file_that_is_none(self, bucket: Bucket, tmp_path: Path, text: str, says: str):
        keys = tmp_path / "keys"
        keys.write_text(text, encoding="latin-1")
        keys.chmod(0o600)

        with pytest.raises(LibraryOffline, match=says) as caught:
            bucket.open(credentials=str(keys)).initialise(IDENTITY)

        assert SECRET_KEY not in caught.value.message + caught.value.hint

    def test_no_file_and_no_profile(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)

        with pytest.raises(LibraryOffline, match="there is no profile nobody"):
            without_file(bucket, "&profile=nobody").initialise(IDENTITY)

    def test_the_environment(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)

        without_file(bucket, "").initialise(IDENTITY)

        signed = [one.headers.get("Authorization", "") for one in bucket.proxy.requests]
        assert signed
        assert all("FROMENVIRONMENT" in one for one in signed)

    def test_new_keys_are_read_after_a_refusal(self, bucket: Bucket, tmp_path: Path):
        library = bucket.library()
        bucket.proxy.fault("403 ExpiredToken", lambda _: True, times=1)
        keys = bucket.server.credentials
        before = keys.read_text()
        try:
            with pytest.raises(LibraryOffline, match="have expired"):
                library.probe()
            keys.write_text(before.replace("AKIA", "NEWER"))
            library.probe()
        finally:
            keys.write_text(before)

        assert "NEWERPLANTED" in bucket.proxy.requests[-1].headers["Authorization"]


def without_file(bucket: Bucket, more: str):
    from engine.library.objects import connection
    from engine.library.objects.library import ObjectLibrary

    connection.close_connections()
    url = f"s3://{bucket.name}/copies?endpoint={bucket.proxy.endpoint}{more}"
    return ObjectLibrary.of_url(
        "vault", url, home=bucket.home, uuid="", commcell_id=IDENTITY.commcell_id
    )
