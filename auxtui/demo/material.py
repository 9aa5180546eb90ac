"""Makes the demo's landing directories: what backup programs would have left there.

Everything is real data of this host: archives of the interpreter's own library, dumps of a SQLite
database about it, and one large image. Each file is made aside and renamed, so that an
interrupted demo goes on where it stopped.
"""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import sysconfig
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.model.errors import UsageError
from engine.policy.durations import format_size

DAYS_AGO = (35, 3, 2, 1)
"""When the backups were made; the oldest lies before the date of a copy."""

IMAGE_BYTES = 768 << 20
BLOCK_BYTES = 4 << 20
NEEDED_BYTES = 6 << 30
"""Landing directories and all copies together, with room to spare."""

Say = Callable[[str], None]


def make_material(root: Path, say: Say) -> None:
    """Makes what is not there yet below `root`/landing.

    Args:
        root: the demo's directory.
        say: told what is being made.

    Raises:
        UsageError: there is not enough room.
    """
    landing = root / "landing"
    for name in ("db1/inventory", "web1/library", "vm1/images", "vm1/uploads"):
        (landing / name).mkdir(parents=True, exist_ok=True)
    library = Path(sysconfig.get_paths()["stdlib"])
    missing = [days for days in DAYS_AGO if not _archive_of(landing, days).exists()]
    image = landing / "vm1/images/root.img"
    if (missing or not image.exists()) and shutil.disk_usage(root).free < NEEDED_BYTES:
        raise UsageError(
            f"the demo needs {format_size(NEEDED_BYTES)} free in {root}",
            hint="name another directory: auxtui demo --dir DIR",
        )
    for days in missing:
        say(f"archiving {library.name} as it was backed up {days} days ago")
        _make_dump(landing, library, days)
        _make_archive(landing, library, days)
    if not image.exists():
        say(f"making an image of {format_size(IMAGE_BYTES)}")
        _make_image(image, library)
    _touch_upload(landing / "vm1/uploads/incoming.img")


def _day(days_ago: int) -> datetime:
    today = datetime.now(UTC).replace(hour=22, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def _archive_of(landing: Path, days_ago: int) -> Path:
    return landing / "web1/library" / f"library-{days_ago:02d}-days-ago"


def _make_archive(landing: Path, library: Path, days_ago: int) -> None:
    """A directory with an archive per kind of file: one backup job of several files."""
    final = _archive_of(landing, days_ago)
    aside = landing / f".{final.name}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    kinds = {"modules": (".py",), "binaries": (".so", ".a"), "rest": ()}
    suffixes = tuple(s for group in kinds.values() for s in group)
    for kind, wanted in kinds.items():
        with tarfile.open(aside / f"{kind}.tar", "w", format=tarfile.PAX_FORMAT) as archive:
            _add_note(archive, days_ago)
            for path in _files(library):
                fits = path.suffix in wanted if wanted else path.suffix not in suffixes
                if fits:
                    archive.add(path, arcname=str(path.relative_to(library)), recursive=False)
    (aside / "latest").symlink_to("modules.tar")
    _backdate(aside, days_ago)
    aside.rename(final)


def _add_note(archive: tarfile.TarFile, days_ago: int) -> None:
    note = f"backed up at {_day(days_ago).isoformat()}\n".encode()
    member = tarfile.TarInfo("BACKUP")
    member.size = len(note)
    archive.addfile(member, io.BytesIO(note))


def _make_dump(landing: Path, library: Path, days_ago: int) -> None:
    """A dump of a database of all files of the library, with the text of the modules."""
    final = landing / "db1/inventory" / f"inventory-{_day(days_ago):%Y-%m-%d}.sql"
    aside = landing / f".{final.name}"
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE file (path TEXT PRIMARY KEY, size INTEGER, text TEXT)")
        for path in _files(library):
            text = path.read_text("utf-8", "replace") if path.suffix == ".py" else None
            row = (str(path.relative_to(library)), path.stat().st_size, text)
            database.execute("INSERT INTO file VALUES (?, ?, ?)", row)
        database.execute("CREATE TABLE backup AS SELECT ? AS at", (_day(days_ago).isoformat(),))
        with aside.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in database.iterdump())
    _backdate(aside, days_ago)
    aside.rename(final)


def _files(library: Path) -> Iterator[Path]:
    """Regular files of the library proper, without what was installed into it."""
    for directory, names, files in os.walk(library):
        names[:] = sorted(n for n in names if n not in ("site-packages", "__pycache__", "test"))
        for name in sorted(files):
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _make_image(final: Path, library: Path) -> None:
    """A sparse image: real files, random blocks and holes, as a disk of a machine looks."""
    aside = final.parent.parent / f".{final.name}"
    with aside.open("wb") as image:
        offset = 0
        for path in _files(library):
            image.seek(offset)
            image.write(path.read_bytes())
            offset = -(-image.tell() // 4096) * 4096
            if offset > IMAGE_BYTES // 4:
                break
        while offset + BLOCK_BYTES <= IMAGE_BYTES - (IMAGE_BYTES // 8):
            image.seek(offset)
            image.write(os.urandom(BLOCK_BYTES))
            offset += BLOCK_BYTES
        image.truncate(IMAGE_BYTES)
    _backdate(aside, 1)
    aside.rename(final)


def _touch_upload(path: Path) -> None:
    """A file that somebody is still writing: it is left until it has settled."""
    with path.open("ab") as upload:
        upload.write(os.urandom(1 << 20))


def _backdate(path: Path, days_ago: int) -> None:
    at = _day(days_ago).timestamp()
    if path.is_dir():
        for child in path.iterdir():
            os.utime(child, (at, at), follow_symlinks=False)
    os.utime(path, (at, at))
