"""Object stores for tests: a real server in a process of its own, and buckets in it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import boto3
from botocore.config import Config

from tests.ports import free_port

ACCESS_KEY = "AKIAPLANTEDBYTESTS"
SECRET_KEY = "planted/secret+of/the+tests"  # noqa: S105 - of a server that takes any
START_S = 240


@dataclass
class StoreServer:
    """A running server, and the address of it."""

    endpoint: str
    process: subprocess.Popen[bytes]
    log: Path
    credentials: Path
    """A file with the keys, mode 0600."""
    _client: object = field(default=None, repr=False)

    @property
    def client(self):
        """The reference client, for what tests do behind the back of auxtui."""
        if self._client is None:
            self._client = boto3.client(
                "s3",
                endpoint_url=self.endpoint,
                region_name="us-east-1",
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
                config=Config(
                    request_checksum_calculation="when_required",
                    s3={"addressing_style": "path"},
                    retries={"max_attempts": 5},
                ),
            )
        return self._client

    def bucket(self, **options: object) -> str:
        """A bucket that nobody else has."""
        name = f"b{secrets.token_hex(8)}"
        self.client.create_bucket(Bucket=name, **options)
        return name

    def url(self, bucket: str, prefix: str = "copies", *, endpoint: str = "", **more: str) -> str:
        """The URL of a library there."""
        options = {
            "endpoint": endpoint or self.endpoint,
            "credentials": str(self.credentials),
            **more,
        }
        text = "&".join(f"{key}={quote(value, safe='/:')}" for key, value in options.items())
        return f"s3://{bucket}/{prefix}?{text}"

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Every key there."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def uploads(self, bucket: str) -> list[str]:
        """Keys of the multipart uploads that are not ended."""
        found = self.client.list_multipart_uploads(Bucket=bucket)
        return [upload["Key"] for upload in found.get("Uploads", [])]


def write_credentials(path: Path) -> Path:
    """A credentials file that only its owner can read."""
    path.write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    path.chmod(0o600)
    return path


@contextmanager
def moto_server(**environ: str) -> Iterator[StoreServer]:
    """Starts `moto_server`, and ends it. It takes parts of any size, so that tests can be small."""
    with tempfile.TemporaryDirectory(prefix="moto-") as name:
        log, port = Path(name, "log"), free_port()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "S3_UPLOAD_PART_MIN_SIZE": "1", **environ},
            )
        try:
            await_port(port, process, log)
            yield StoreServer(
                f"http://127.0.0.1:{port}", process, log, write_credentials(Path(name, "keys"))
            )
        finally:
            process.kill()
            process.wait()


def await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until a server answers."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            break
        threading.Event().wait(0.05)
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")
