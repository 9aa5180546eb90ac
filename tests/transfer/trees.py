"""Real trees on disk: made, described, and laid out as a landing directory with two libraries."""

from __future__ import annotations

import os
import stat
import subprocess
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine.library.interface import JobReader, LibraryIdentity, Place
from engine.library.landing import LandingReader, fingerprint, walk_entry
from engine.library.local import LocalLibrary
from engine.library.local_writer import LocalJobWriter
from engine.model.entries import Chunk, Entry, FileEntry
from engine.transfer.orders import OrderDestination, TransferOrder
from tests.transfer.fakes import HEADER

PLACE = Place("p", "copy")
ENTRY = b"dump"


def described(root: bytes) -> dict[bytes, tuple[object, ...]]:
    """All that a copy must keep of a tree: kinds, contents, modes, times, links, hard links."""
    found: dict[bytes, tuple[object, ...]] = {}
    first_names: dict[int, bytes] = {}
    for base, directories, files in os.walk(root):
        for name in sorted(directories + files):
            full = os.path.join(base, name)
            path = os.path.relpath(full, root)
            at = os.lstat(full)
            kept = (stat.S_IMODE(at.st_mode), at.st_mtime_ns, at.st_uid, at.st_gid)
            if stat.S_ISLNK(at.st_mode):
                found[path] = ("link", os.readlink(full), at.st_mtime_ns)
            elif stat.S_ISDIR(at.st_mode):
                found[path] = ("directory", *kept)
            else:
                first = first_names.setdefault(at.st_ino, path)
                found[path] = ("file", first, Path(os.fsdecode(full)).read_bytes(), *kept)
    return found


def make_tree(root: bytes) -> None:
    """A tree with everything in it that a disk may hold and a copy must keep."""
    os.makedirs(root + b"/nested/deep/deeper")
    contents = {
        b"large": os.urandom(3 * 1024 * 1024 + 17),
        b"small": b"small",
        b"empty": b"",
        b"nested/deep/deeper/file": b"d" * 5000,
        b"nested/name with\nnewline \x1b]0;title\x07": b"1",
        b"nested/[@click=app.quit]x \xff\xfe not utf-8": b"2",
        b"nested/" + b"n" * 255: b"3",
        b"nested/-rf": b"4",
        "nested/café".encode(): b"composed",
        "nested/cafe\u0301".encode(): b"decomposed",
    }
    for path, content in contents.items():
        Path(os.fsdecode(root + b"/" + path)).write_bytes(content)
    for number in range(300):
        Path(os.fsdecode(b"%b/nested/deep/f%03d" % (root, number))).write_bytes(b"x" * number)
    with open(root + b"/sparse", "wb") as file:
        file.seek(4 * 1024 * 1024)
        file.write(b"end")
        file.truncate(9 * 1024 * 1024)
    os.link(root + b"/small", root + b"/nested/another name of small")
    os.symlink(b"../outside \xff", root + b"/nested/dangling")
    os.symlink(b"/etc", root + b"/etc")
    os.chmod(root + b"/small", 0o400)
    os.chmod(root + b"/nested/deep", 0o500)
    os.utime(root + b"/large", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root + b"/nested/dangling", ns=(1, 5), follow_symlinks=False)
    os.utime(root + b"/nested", ns=(1, 1_000_000_000_000_000_001))


def cut_small(entry: Entry, chunk_bytes: int | None) -> Entry:
    """A file in smaller chunks than its size would make."""
    if chunk_bytes is None or not isinstance(entry, FileEntry):
        return entry
    return replace(
        entry,
        chunks=tuple(
            Chunk(at, min(chunk_bytes, entry.size - at), b"")
            for at in range(0, entry.size, chunk_bytes)
        ),
    )


class Estate:
    """A landing directory with one entry, and libraries beside it."""

    def __init__(self, root: Path, *, chunk_bytes: int | None = None) -> None:
        self.landing = os.fsencode(root / "landing")
        self.entry = self.landing + b"/" + ENTRY
        self.chunk_bytes = chunk_bytes
        self._root = root
        os.mkdir(self.landing)

    def adopt(self) -> tuple[list[Entry], str]:
        """What lies there now, with its fingerprint."""
        fd = os.open(self.landing, os.O_RDONLY | os.O_DIRECTORY)
        try:
            entries = walk_entry(fd, ENTRY).entries
        finally:
            os.close(fd)
        return [cut_small(entry, self.chunk_bytes) for entry in entries], fingerprint(entries)

    def library(self, name: str) -> LocalLibrary:
        """A library, made at the first call."""
        root = self._root / name
        root.mkdir(exist_ok=True)
        library = LocalLibrary(name, os.fsencode(root), uuid="", commcell_id="c")
        library.initialise(
            LibraryIdentity(uuid=str(uuid.uuid4()), name=name, commcell_id="c", commcell="cell")
        )
        return library

    def data(self, name: str, job_id: int = 1) -> dict[bytes, tuple[object, ...]]:
        """A published job copy as it lies on the media."""
        path = self._root / name / PLACE.policy / PLACE.copy / str(job_id) / "data"
        return described(os.fsencode(path))

    def is_published(self, name: str, job_id: int = 1) -> bool:
        """True when the library says so."""
        return job_id in self.library(name).published(PLACE)

    def order(
        self,
        *names: str,
        reading: Callable[[JobReader], JobReader] = lambda reader: reader,
        writing: Callable[[str, LocalJobWriter], LocalJobWriter] = lambda _, writer: writer,
        entries: Sequence[Entry] | None = None,
    ) -> TransferOrder:
        """An order for the entry, to the libraries of these names."""
        found, key = self.adopt()
        chosen = found if entries is None else entries

        def destination(number: int, name: str) -> OrderDestination:
            library = self.library(name)
            return OrderDestination(
                copy_id=number,
                copy_name=name,
                library=name,
                open_writer=lambda: writing(name, library.write_job(PLACE, HEADER, source_key=key)),
            )

        return TransferOrder(
            backup_job_id=1,
            header=HEADER,
            size_bytes=0,
            open_source=lambda: reading(
                LandingReader(self.landing, HEADER, chosen, has_digests=False)
            ),
            destinations=tuple(destination(number, name) for number, name in enumerate(names)),
        )


def spoil(name: bytes, how: str) -> None:
    """Changes a file the way that another program would; `rewrite` and `replace` keep the times."""
    at = os.stat(name)
    os.chmod(name, 0o600)
    if how == "append":
        with open(name, "ab") as file:
            file.write(b"more")
    elif how == "truncate":
        os.truncate(name, at.st_size - 1)
    elif how == "rewrite":
        with open(name, "r+b") as file:
            file.seek(at.st_size // 2)
            was = file.read(1)  # what is encrypted is a "^" there now and then
            file.seek(at.st_size // 2)
            file.write(b"v" if was == b"^" else b"^")
        os.utime(name, ns=(at.st_atime_ns, at.st_mtime_ns))
    elif how == "replace":
        content = Path(os.fsdecode(name)).read_bytes()
        os.unlink(name)
        Path(os.fsdecode(name)).write_bytes(content)
        os.utime(name, ns=(at.st_atime_ns, at.st_mtime_ns))


def differences(one: bytes, other: bytes) -> tuple[int, bytes]:
    """What `diff -r` says of two trees."""
    run = subprocess.run(
        ["diff", "-r", "--no-dereference", one, other], capture_output=True, check=False
    )
    return run.returncode, run.stdout + run.stderr
