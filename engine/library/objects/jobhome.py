"""What a store cannot hold of an unfinished job copy: lock, journal, staged files; in AUXTUI_HOME.

<home>/objects/<library uuid>/capabilities.json
<home>/objects/<library uuid>/<policy>/<copy>/<id>.lock     held while one writer is at work
<home>/objects/<library uuid>/<policy>/<copy>/<id>/         journal, staged files, manifest
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import Any

from blake3 import blake3

from engine.library import layout
from engine.library.beneath import (
    create_file,
    make_durable_directory,
    names_in,
    open_directory,
    open_own_file,
    remove_tree,
    unlink_if_there,
)
from engine.library.blame import on_destination
from engine.library.durable_file import replace_durably
from engine.library.interface import Place
from engine.library.journal import JournalContent, read_journal
from engine.library.local_partial import locked
from engine.model.names import RelPath

OBJECTS = b"objects"
STAGED = b"staged"
_CAPABILITIES = b"capabilities.json"


class LibraryHome:
    """The directory of one library below the home.

    Args:
        home: `AUXTUI_HOME`; it is there.
        uuid: of the library.
    """

    def __init__(self, home: bytes, uuid: str) -> None:
        self._home = home
        self._uuid = uuid.encode("ascii", "replace").replace(b"/", b"_")

    def capabilities(self) -> Any:
        """What was remembered; None when there is nothing that can be read."""
        try:
            with open(self._path(_CAPABILITIES), "rb") as stream:
                return json.load(stream)
        except (OSError, ValueError):
            return None

    def remember(self, document: dict[str, Any]) -> None:
        """Keeps what was found out.

        Raises:
            DestinationError: it cannot be written.
        """
        with on_destination("open", self._path(b"")), ExitStack() as held:
            self._open(held, [OBJECTS, self._uuid])
        text = json.dumps(document, indent=2).encode("ascii") + b"\n"
        replace_durably(self._path(_CAPABILITIES), lambda stream: stream.write(text))

    def unfinished(self, place: Place) -> list[int]:
        """Ids of the backup jobs with a journal, ascending."""
        try:
            names = os.listdir(self._path(*layout.directories_of(place)))
        except FileNotFoundError:
            return []
        ids = (layout.job_id_of(name) for name in names)
        return sorted(job_id for job_id in ids if job_id is not None)

    def claim(self, place: Place, job_id: int) -> JobHome:
        """The directory of a job copy, for this writer alone.

        Raises:
            DestinationWrite: another writer is at work on it.
            DestinationError: it cannot be made.
        """
        held = ExitStack()
        name = layout.job_directory(job_id)
        where = b"/".join((*layout.directories_of(place), name))
        try:
            with on_destination("open", where):
                parents = [OBJECTS, self._uuid, *layout.directories_of(place)]
                parent = self._open(held, parents)
                held.enter_context(locked(name, parent, where))
                return JobHome(held, parent, name, where)
        except BaseException:
            held.close()
            raise

    def staged_bytes(self, place: Place, job_id: int) -> int:
        """What the staged files of a job copy take."""
        directory = self._path(*layout.directories_of(place), layout.job_directory(job_id), STAGED)
        try:
            with os.scandir(directory) as found:
                return sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in found)
        except FileNotFoundError:
            return 0

    def _path(self, *parts: bytes) -> bytes:
        return os.path.join(self._home, OBJECTS, self._uuid, *parts)

    def _open(self, held: ExitStack, parts: list[bytes]) -> int:
        fd = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        held.callback(os.close, fd)
        for part in parts:
            fd = make_durable_directory(part, parent=fd)
            held.callback(os.close, fd)
        return fd


class JobHome:
    """The claimed directory of one job copy.

    Args:
        held: what is to be let go at the end.
        parent: of the directory.
        name: of the directory.
        where: for messages.
    """

    def __init__(self, held: ExitStack, parent: int, name: bytes, where: bytes) -> None:
        self._held = held
        self._parent = parent
        self._name = name
        self._own = ExitStack()
        self.where = where
        self.fd = self._opened()

    def journal(self) -> JournalContent | None:
        """What the journal says; None when there is none that can be trusted."""
        return read_journal(self.fd)

    def wipe(self) -> None:
        """Empties it: what proves something first."""
        self.remove()
        with on_destination("open", self.where):
            self.fd = self._opened()

    def remove(self) -> None:
        """Removes it; the lock stays until `close`."""
        with on_destination("empty", self.where):
            for name in (layout.JOURNAL, layout.JOURNAL + layout.ASIDE_SUFFIX):
                unlink_if_there(name, parent=self.fd)
            os.fsync(self.fd)
            self._own.close()
            self.fd = -1
            remove_tree(self._name, parent=self._parent)
            os.fsync(self._parent)

    def open_staged(self, path: RelPath, size: int | None) -> int:
        """Opens the staged file of a path, made if it is not there.

        Raises:
            OSError: it cannot be opened.
        """
        directory = make_durable_directory(STAGED, parent=self.fd)
        try:
            name = staged_name(path)
            try:
                fd = create_file(name, parent=directory)
                os.fsync(directory)
            except FileExistsError:
                fd = open_own_file(name, parent=directory, write=True)
            if size is not None:
                os.ftruncate(fd, size)
            return fd
        finally:
            os.close(directory)

    def drop_staged(self, path: RelPath) -> None:
        """Removes the staged file of a path."""
        try:
            directory = open_directory(STAGED, parent=self.fd)
        except FileNotFoundError:
            return
        try:
            unlink_if_there(staged_name(path), parent=directory)
        finally:
            os.close(directory)

    def has_staged(self) -> bool:
        """True when a file was staged."""
        return STAGED in names_in(self.fd)

    def close(self) -> None:
        """Lets it go; what is in it stays."""
        self._own.close()
        self._held.close()

    def _opened(self) -> int:
        fd = make_durable_directory(self._name, parent=self._parent)
        self._own.callback(os.close, fd)
        return fd


def staged_name(path: RelPath) -> bytes:
    """Name of the staged file of a path, whatever the path is made of."""
    return blake3(path).hexdigest().encode("ascii")
