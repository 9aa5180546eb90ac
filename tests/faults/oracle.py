"""Says whether what a service claims is true, by other means than auxtui's own readers.

Walks `data/` on the media, hashes with SHA-256 against content that the test made, reads manifests
with `zstd -dc` and `json`, checks their digests with BLAKE3, and reads the catalog with plain SQL.

TORN    published, but wrong or without a proper manifest
LOST    the ledger says available, the media have it not
LITTER  something is left over after a run has ended
LIE     a job completed, and something that it was for is missing or not recorded
SOURCE  a file in the landing directory was touched
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import blake3
import zstandard

Tree = dict[bytes, tuple[object, ...]]
"""What lies below a directory: path -> kind, and what a copy must keep of it."""


@dataclass(frozen=True)
class CopyOnMedia:
    """A copy of the policy and where it lies."""

    name: str
    root: Path
    """Of its library."""

    @property
    def place(self) -> Path:
        """The directory with its job copies."""
        return self.root / "databases" / self.name


@dataclass
class Oracle:
    """What a fault round knows of its own: the truth about sources and what should become of them."""

    home: Path
    landing: Path
    copies: list[CopyOnMedia]
    truth: dict[bytes, Tree] = field(default_factory=dict)
    """Name of an adopted entry -> its tree, as the test made it."""
    touched: set[bytes] = field(default_factory=set)
    """Names whose sources the test itself changed afterwards."""
    stamps: dict[bytes, Tree] = field(default_factory=dict)

    def knows(self, name: bytes) -> None:
        """Takes an entry of the landing directory as it is now for the truth."""
        path = os.path.join(os.fsencode(self.landing), name)
        self.truth[name] = tree_of(path)
        self.stamps[name] = _stamps_of(path)

    def examine(self, *, is_finished: bool) -> list[str]:
        """All that is wrong, each a line that begins with its verdict; empty: all is well.

        Args:
            is_finished: no job runs or will: nothing may be left over, and a completed job must
                have left everything available.
        """
        lines = ledger_of(self.home)
        found = [*self._torn(lines), *self._lost(lines), *self._source()]
        if is_finished:
            found += [*self._lies(lines), *self._litter()]
        return found

    def _torn(self, lines: list[Line]) -> Iterator[str]:
        names = {line.backup_job_id: line.name for line in lines}
        digests = {(line.copy, line.backup_job_id): line for line in lines}
        for copy in self.copies:
            published = published_in(copy.place)
            contents = manifests_of([path / "manifest.jsonl.zst" for path in published.values()])
            for (job_id, path), records in zip(published.items(), contents, strict=True):
                where = f"{copy.name}/{job_id}"
                name = names.get(job_id)
                if records is None or name is None:
                    yield f"TORN {where}: " + ("no manifest" if name else "nobody knows it")
                    continue
                data = tree_of(os.fsencode(path / "data"))
                if data.pop(b"", None) is None:
                    yield f"TORN {where}: no data"
                wanted = {_below(name, at): what for at, what in self.truth[name].items()}
                if data != wanted:
                    yield f"TORN {where}: {_difference(data, wanted)}"
                yield from (f"TORN {where}: {why}" for why in _wrong_chunks(path, records, data))
                line = digests.get((copy.name, job_id))
                if line and line.state == "available":
                    digest = blake3.blake3((path / "manifest.jsonl.zst").read_bytes()).digest()
                    if digest != line.manifest_digest:
                        yield f"TORN {where}: the manifest is not the one of the ledger"

    def _lost(self, lines: list[Line]) -> Iterator[str]:
        published = {copy.name: published_in(copy.place) for copy in self.copies}
        for line in lines:
            if line.state == "available" and line.backup_job_id not in published[line.copy]:
                yield f"LOST {line.copy}/{line.backup_job_id}"

    def _source(self) -> Iterator[str]:
        for name, before in self.stamps.items():
            if name not in self.touched:
                now = _stamps_of(os.path.join(os.fsencode(self.landing), name))
                if now != before:
                    yield f"SOURCE {name!r}: {_difference(now, before)}"

    def _lies(self, lines: list[Line]) -> Iterator[str]:
        jobs = jobs_of(self.home)
        for job in jobs:
            if job["state"] not in ("completed", "completed_with_errors", "failed", "killed"):
                yield f"LIE job {job['id']} is still {job['state']}"
        if not jobs or jobs[-1]["state"] != "completed":
            return
        owed = {(copy.name, name) for copy in self.copies for name in self.truth}
        has = {(line.copy, line.name) for line in lines if line.state == "available"}
        for copy, entry in sorted(owed - has):
            yield f"LIE job {jobs[-1]['id']} completed without {entry!r} on {copy}"

    def _litter(self) -> Iterator[str]:
        for copy in self.copies:
            for path in _everything_below(copy.root):
                if not _belongs_in_library(path.relative_to(copy.root)):
                    yield f"LITTER {path}"
        for path in _everything_below(self.home):
            if not _belongs_in_home(path.relative_to(self.home)):
                yield f"LITTER {path}"


@dataclass(frozen=True)
class Line:
    """A line of the ledger on a secondary copy."""

    copy: str
    backup_job_id: int
    name: bytes
    state: str
    reason: str
    manifest_digest: bytes | None


def query(home: Path, sql: str) -> list[Any]:
    """Asks the catalog without writing to it."""
    opened = sqlite3.connect(f"file:{home}/catalog.db?mode=ro", uri=True, timeout=10)
    with closing(opened) as catalog:
        catalog.row_factory = sqlite3.Row
        return catalog.execute(sql).fetchall()


def ledger_of(home: Path) -> list[Line]:
    """The ledger of all secondary copies."""
    rows = query(
        home,
        "SELECT c.name AS copy, jc.backup_job_id, b.name, jc.state, jc.reason, jc.manifest_digest"
        " FROM job_copy jc JOIN policy_copy c ON c.id = jc.copy_id"
        " JOIN backup_job b ON b.id = jc.backup_job_id WHERE c.kind <> 'primary'",
    )
    return [Line(*row) for row in rows]


def jobs_of(home: Path) -> list[Any]:
    """All jobs, oldest first."""
    return query(home, "SELECT * FROM job ORDER BY id")


def published_in(place: Path) -> dict[int, Path]:
    """Directories of published job copies."""
    if not place.is_dir():
        return {}
    return {int(path.name): path for path in sorted(place.iterdir()) if path.name.isdigit()}


def tree_of(path: bytes) -> Tree:
    """Everything at and below a path that a copy must keep; the path itself is the empty name."""
    found: Tree = {}
    for item, status in _walk(path):
        key = os.path.relpath(item, path) if item != path else b""
        if stat.S_ISLNK(status.st_mode):
            found[key] = ("link", os.readlink(item))
        elif stat.S_ISDIR(status.st_mode):
            found[key] = ("directory", stat.S_IMODE(status.st_mode), status.st_mtime_ns)
        elif stat.S_ISREG(status.st_mode):
            with open(item, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            mode = stat.S_IMODE(status.st_mode)
            found[key] = ("file", mode, status.st_mtime_ns, status.st_size, digest)
        else:
            found[key] = ("odd", status.st_mode)
    return found


def manifests_of(paths: list[Path]) -> list[list[dict[str, Any]] | None]:
    """The lines of manifests, by `zstd -dc` where it is installed; None for one that is not there."""
    there = [path for path in paths if path.is_file()]
    if not there:
        return [None for _ in paths]
    if shutil.which("zstd"):
        command = ["zstd", "-dcq", "--", *map(str, there)]
        text = subprocess.run(command, check=True, capture_output=True).stdout
    else:
        whole = zstandard.ZstdDecompressor()
        text = b"".join(
            whole.stream_reader(path.read_bytes(), read_across_frames=True).read() for path in there
        )
    each: list[list[dict[str, Any]]] = []
    for line in text.splitlines():
        record = json.loads(line)
        if record["type"] == "header":
            each.append([])
        each[-1].append(record)
    answers = iter(each)
    return [next(answers) if path.is_file() else None for path in paths]


def journal_chunks(job_directory: Path) -> dict[bytes, dict[int, tuple[int, str]]]:
    """What the journal of an unfinished job copy says: path -> offset -> length, digest."""
    found: dict[bytes, dict[int, tuple[int, str]]] = {}
    try:
        lines = (job_directory / "journal").read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return found
    for line in lines[1:-1]:  # the first is the header, the last has no end
        if not line:
            continue
        record = json.loads(line.partition(b" ")[2])
        path = _path_in(record)
        if record.get("dropped"):
            found.pop(path, None)
            continue
        offset, length, digest = record["chunk"]
        found.setdefault(path, {})[offset] = (length, digest)
    return found


def _path_in(record: dict[str, Any]) -> bytes:
    if "path" in record:
        return str(record["path"]).encode()
    return base64.b64decode(record["path_base64"])


def _wrong_chunks(directory: Path, records: list[dict[str, Any]], data: Tree) -> Iterator[str]:
    """What the manifest says of chunks, checked against the bytes that lie there."""
    directory_data = os.path.join(os.fsencode(directory), b"data")
    if records[-1]["type"] != "end" or records[-1]["entries"] != len(records) - 2:
        yield "the manifest is incomplete"
    if records[0]["backup_job_id"] != int(directory.name):
        yield f"the manifest is of job {records[0]['backup_job_id']}"
        return
    if {_path_in(record) for record in records[1:-1]} != data.keys():
        yield "the manifest lists other names than those that lie there"
        return
    for record in records[1:-1]:
        if record["type"] != "file":
            continue
        path = os.path.join(directory_data, _path_in(record))
        end = 0
        with open(path, "rb") as stream:
            for offset, length, digest in record["chunks"]:
                if offset != end or blake3.blake3(stream.read(length)).hexdigest() != digest:
                    yield f"chunk {offset} of {path!r} is not what the manifest says"
                end = offset + length
        if end != record["size"]:
            yield f"the chunks of {path!r} end at {end} of {record['size']}"


def _stamps_of(path: bytes) -> Tree:
    """What changes when anybody touches a source; reading may not."""
    return {
        item: (
            status.st_ino,
            status.st_mode,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
        for item, status in _walk(path)
    }


def _walk(path: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    yield path, status
    if stat.S_ISDIR(status.st_mode):
        for name in sorted(os.listdir(path)):
            yield from _walk(os.path.join(path, name))


def _below(name: bytes, path: bytes) -> bytes:
    return name + b"/" + path if path else name


def _difference(found: Tree, wanted: Tree) -> str:
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            return f"{key!r} is {found.get(key)}, should be {wanted.get(key)}"
    return "the same"


def _everything_below(root: Path) -> Iterator[Path]:
    """Every path below, but not what lies in the data of a published job copy."""
    for path in sorted(root.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink() and path.name != "data":
            yield from _everything_below(path)


def _belongs_in_library(path: Path) -> bool:
    match path.parts:
        case ("auxtui-library.json",) | ("databases",) | ("databases", _) | ("lost+found",):
            return True
        case ("databases", _, ".partial" | ".removed"):
            return True
        case ("databases", _, job_id) | ("databases", _, job_id, "data" | "manifest.jsonl.zst"):
            return job_id.isdigit()
    return False


def _belongs_in_home(path: Path) -> bool:
    match path.parts:
        case ("catalog.db" | "catalog.db-wal" | "catalog.db-shm" | "service.lock" | "service.log",):
            return True
        case ("manifests" | "backups" | "indexes",):
            return True
        case ("manifests", name):
            return name.removesuffix(".jsonl.zst").isdigit()
        case ("backups", name):
            return name.startswith("catalog-") and name.endswith(".db")
    return False
