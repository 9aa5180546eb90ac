"""Encoded copies for tests: keys, orders, and what the programs `zstd` and `age` say of the files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from engine.library.age import Identities, load_identities
from engine.library.interface import JobReader
from engine.library.local import LocalLibrary
from engine.model.encoding import Encoding, encoding_of
from engine.model.entries import (
    FileEntry,
    encoded_header,
    original,
)
from engine.transfer.decoding import readable
from engine.transfer.orders import OrderDestination, TransferOrder
from tests.transfer.fakes import HEADER
from tests.transfer.trees import PLACE, Estate


@dataclass(frozen=True)
class Key:
    """An age identity in a file."""

    path: Path

    @classmethod
    def generate(cls, path: Path) -> Key:
        """By the program itself."""
        subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
        return cls(path)

    @cached_property
    def recipient(self) -> str:
        """The public key."""
        found = subprocess.run(["age-keygen", "-y", self.path], check=True, capture_output=True)
        return found.stdout.decode().strip()

    @property
    def secret(self) -> str:
        """The line that must be nowhere else."""
        return self.path.read_text().splitlines()[-1]

    @property
    def identities(self) -> Identities:
        """As the engine reads it."""
        return load_identities([str(self.path)])


ZSTD = encoding_of("zstd", ())


def age(*keys: Key, compression: str = "none") -> Encoding:
    """Encrypted to the keys."""
    return encoding_of(compression, tuple(key.recipient for key in keys))


def encoded(
    library: LocalLibrary,
    encoding: Encoding,
    number: int = 9,
    key: str = "k",
    *,
    encodes: bool = True,
) -> OrderDestination:
    """A destination that is encoded; `encodes` unless its source is so already."""
    header = encoded_header(HEADER, encoding)
    return OrderDestination(
        copy_id=number,
        copy_name=library.name,
        library=library.name,
        open_writer=lambda: library.write_job(
            PLACE, header, source_key=f"{key}:{encoding.text}:{encodes}"
        ),
        encoding=encoding,
        encodes=encodes,
    )


def order_from(reader: Callable[[], JobReader], *destinations: OrderDestination) -> TransferOrder:
    """Reads a job copy."""
    return TransferOrder(
        backup_job_id=1,
        header=HEADER,
        size_bytes=0,
        open_source=reader,
        destinations=destinations,
    )


def read_back(estate: Estate, name: str, *keys: Key) -> JobReader:
    """The originals of a job copy."""
    identities = load_identities([str(key.path) for key in keys])
    return readable(estate.library(name).read_job(PLACE, 1), identities)


def decoded_by_tools(root: Path, encoding: Encoding, key: Path | None) -> dict[bytes, bytes]:
    """What `zstd -d` and `age -d` make of every file of a job copy, by its original path."""
    library = LocalLibrary("tools", os.fsencode(root), uuid="", commcell_id="c")
    reader = library.read_job(PLACE, 1)
    found = {}
    for entry in reader.entries():
        if not isinstance(entry, FileEntry):
            continue
        stored = os.fsencode(root) + b"/p/copy/1/data/" + entry.path
        data = Path(os.fsdecode(stored)).read_bytes()
        if encoding.is_encrypted:
            data = _through(["age", "-d", "-i", str(key)], data)
        if encoding.is_compressed:
            data = _through(["zstd", "-dcq"], data)
        found[original(entry).path] = data
    reader.close()
    return found


def _through(command: list[str], data: bytes) -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout
