"""Makes the demo's landing directories: what backup programs would have left there.

Everything is real data of this host: archives of the interpreter's own library, dumps of a SQLite
database about it, and an image with files, random blocks and holes. Each is made aside and
renamed, so that an interrupted demo goes on where it stopped.
"""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import sysconfig
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.library.space import keep_free_bytes
from engine.model.errors import UsageError
from engine.policy.durations import format_size

Say = Callable[[str], None]

UPLOAD_SETTLES_S = 12 * 3600
COPIES = 3  # the landing directory and two libraries
_BLOCK_BYTES = 4 << 20
_UPLOAD_BYTES = 1 << 20
_LANDINGS = ("db1/inventory", "web1/library", "vm1/images", "vm1/uploads")
_KINDS = {"modules": (".py",), "binaries": (".so", ".a")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the backup jobs are made of."""

    library: Path = field(default_factory=lambda: Path(sysconfig.get_paths()["stdlib"]))
    days_ago: tuple[int, ...] = (35, 3, 2, 1)
    """When backups were made; the oldest lies before the date of a copy."""
    image_bytes: int = 768 << 20


def make_material(landing: Path, material: Material, say: Say) -> None:
    """Makes what is not there yet.

    Args:
        landing: parent of the landing directories.
        material: what it is made of.
        say: told what is being made.

    Raises:
        UsageError: there is not enough room.
        OSError: something cannot be read or written.
    """
    for name in _LANDINGS:
        (landing / name).mkdir(parents=True, exist_ok=True)
    missing = [days for days in material.days_ago if not _is_made(landing, days)]
    image = landing / "vm1/images/root.img"
    per_day = sum(path.stat().st_size for path in _files(material.library)) * 3 // 2
    new_bytes = per_day * len(missing) + (0 if image.exists() else material.image_bytes)
    require_room(landing, new_bytes)
    for days in missing:
        age = f"{days} day{'' if days == 1 else 's'} ago"
        say(f"archiving {material.library.name} as it was backed up {age}")
        _make_dump(landing, material.library, days)
        _make_archive(landing, material.library, days)
    if not image.exists():
        _make_image(image, material, say)
    _go_on_uploading(landing / "vm1/uploads/incoming.img")


def make_another_image(landing: Path, material: Material, say: Say) -> None:
    """Makes one more image, so that there is something to copy again.

    Raises:
        UsageError: there is not enough room.
        OSError: it cannot be written.
    """
    images = landing / "vm1/images"
    require_room(landing, material.image_bytes)
    number = 2
    while (images / f"root-{number}.img").exists():
        number += 1
    _make_image(images / f"root-{number}.img", material, say)


def require_room(directory: Path, new_bytes: int) -> None:
    """Refuses what would not fit with all its copies.

    Raises:
        UsageError: there is not enough room.
    """
    disk = shutil.disk_usage(directory)
    needed = new_bytes * COPIES + keep_free_bytes(disk.total) if new_bytes else 0
    if disk.free < needed:
        raise UsageError(
            f"the demo needs {format_size(needed)} free in {directory}, "
            f"there are {format_size(disk.free)}",
            hint="name another directory: auxtui demo --dir DIR",
        )


def _day(days_ago: int) -> datetime:
    today = datetime.now(UTC).replace(hour=22, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def _archive_of(landing: Path, days_ago: int) -> Path:
    return landing / "web1/library" / f"library-{days_ago:02d}-days-ago"


def _dump_of(landing: Path, days_ago: int) -> Path:
    return landing / "db1/inventory" / f"inventory-{days_ago:02d}-days-ago.sql"


def _is_made(landing: Path, days_ago: int) -> bool:
    return _archive_of(landing, days_ago).exists() and _dump_of(landing, days_ago).exists()


def _aside(landing: Path, final: Path) -> Path:
    """Where a backup is made: beside the landing directories, in none of them."""
    return landing / f".{final.name}"


def _make_archive(landing: Path, library: Path, days_ago: int) -> None:
    """A directory with an archive per kind of file: one backup job of several files."""
    final = _archive_of(landing, days_ago)
    aside = _aside(landing, final)
    if final.exists():
        return
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir()
    for kind in (*_KINDS, "rest"):
        with tarfile.open(aside / f"{kind}.tar", "w", format=tarfile.PAX_FORMAT) as archive:
            _add_note(archive, days_ago)
            for path in _files(library):
                if _kind_of(path) == kind:
                    archive.add(path, arcname=str(path.relative_to(library)), recursive=False)
    (aside / "latest").symlink_to("modules.tar")
    _backdate(aside, days_ago)
    aside.rename(final)


def _kind_of(path: Path) -> str:
    return next((kind for kind, suffixes in _KINDS.items() if path.suffix in suffixes), "rest")


def _add_note(archive: tarfile.TarFile, days_ago: int) -> None:
    note = f"backed up at {_day(days_ago).isoformat()}\n".encode()
    member = tarfile.TarInfo("BACKUP")
    member.size = len(note)
    archive.addfile(member, io.BytesIO(note))


def _make_dump(landing: Path, library: Path, days_ago: int) -> None:
    """A dump of a database of all files of the library, with the text of the modules."""
    final = _dump_of(landing, days_ago)
    if final.exists():
        return
    aside = _aside(landing, final)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE file (path TEXT PRIMARY KEY, size INTEGER, text TEXT)")
        for path in _files(library):
            text = path.read_text("utf-8", "replace") if path.suffix == ".py" else None
            name = str(path.relative_to(library)).encode("utf-8", "replace").decode()
            database.execute("INSERT INTO file VALUES (?, ?, ?)", (name, path.stat().st_size, text))
        database.execute("CREATE TABLE backup AS SELECT ? AS at", (_day(days_ago).isoformat(),))
        with aside.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in database.iterdump())
    _backdate(aside, days_ago)
    aside.rename(final)


def _files(library: Path) -> Iterator[Path]:
    """Readable files of the library proper, without what was installed into it."""
    for directory, names, files in os.walk(library):
        names[:] = sorted(n for n in names if n not in ("site-packages", "__pycache__", "test"))
        for name in sorted(files):
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                yield path


def _make_image(final: Path, material: Material, say: Say) -> None:
    """A sparse image: real files, random blocks and holes, as a disk of a machine looks."""
    say(f"making an image of {format_size(material.image_bytes)}")
    aside = _aside(final.parents[2], final)
    with aside.open("wb") as image:
        offset = 0
        for path in _files(material.library):
            if offset + path.stat().st_size > material.image_bytes // 4:
                break
            image.seek(offset)
            image.write(path.read_bytes())
            offset = -(-image.tell() // 4096) * 4096
        while offset + _BLOCK_BYTES <= material.image_bytes * 7 // 8:
            image.seek(offset)
            image.write(os.urandom(_BLOCK_BYTES))
            offset += _BLOCK_BYTES
        image.truncate(material.image_bytes)
    if final.name == "root.img":
        _backdate(aside, 1)
    aside.rename(final)


def _go_on_uploading(path: Path) -> None:
    """A file that somebody is still writing: it is left until it has settled."""
    if path.exists() and time.time() - path.stat().st_mtime > UPLOAD_SETTLES_S:
        return
    with path.open("ab") as upload:
        upload.write(os.urandom(_UPLOAD_BYTES))


def _backdate(path: Path, days_ago: int) -> None:
    at = _day(days_ago).timestamp()
    if path.is_dir():
        for child in path.iterdir():
            os.utime(child, (at, at), follow_symlinks=False)
    os.utime(path, (at, at))
