"""Where the state of one CommCell lives on this host: `AUXTUI_HOME`.

Owns the names and modes below that directory. Standard library only: the console reads it before
its first paint.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.model.errors import CatalogError, UsageError
from engine.model.names import shown

_MOUNTS = Path("/proc/self/mountinfo")

REMOTE_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "glusterfs", "lustre"}
    | {"gpfs", "ocfs2", "gfs2", "beegfs", "pvfs2", "orangefs", "ncpfs", "davfs"}
)
"""File systems whose locks and shared memory other hosts do not see, or see late."""

LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.gocryptfs", "fuse.encfs", "fuse.mergerfs"})
"""FUSE file systems on local storage; any other may be remote, and is refused."""


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of one CommCell and the names in it."""

    path: Path

    @staticmethod
    def find(explicit: str | None = None, *, environ: Mapping[str, str] | None = None) -> Home:
        """Finds the home: what was named, else `AUXTUI_HOME`, else the XDG state directory.

        Args:
            explicit: the value of `--home`, if it was given.
            environ: the environment; that of this process when it is left out.
        """
        env = os.environ if environ is None else environ
        named = explicit or env.get("AUXTUI_HOME")
        if named:
            return Home(Path(named).expanduser().absolute())
        state = env.get("XDG_STATE_HOME", "")
        # The XDG specification: a path that is not absolute is to be ignored.
        base = Path(state) if os.path.isabs(state) else Path("~/.local/state").expanduser()
        return Home(base / "auxtui")

    @property
    def catalog(self) -> Path:
        """The database. Never open it by hand: closing it drops the locks of this process."""
        return self.path / "catalog.db"

    @property
    def service_lock(self) -> Path:
        """Locked by the service as long as it lives; never removed."""
        return self.path / "service.lock"

    @property
    def service_log(self) -> Path:
        """What the service says."""
        return self.path / "service.log"

    @property
    def manifests(self) -> Path:
        """Manifests of landing backup jobs, which have no library to keep them."""
        return self.path / "manifests"

    @property
    def backups(self) -> Path:
        """Copies of the catalog: daily, and before each migration."""
        return self.path / "backups"

    @property
    def indexes(self) -> Path:
        """Indexes of what auxtui itself backed up; each is on the media too."""
        return self.path / "indexes"

    def index(self, backup_job_id: int) -> Path:
        """The index of a backup job that auxtui made."""
        return self.indexes / f"{backup_job_id}.index"

    def manifest(self, backup_job_id: int) -> Path:
        """The manifest of a landing backup job."""
        return self.manifests / f"{backup_job_id}.jsonl.zst"

    def make(self) -> Home:
        """Makes the directories, mode 0700, and tightens those that are there.

        Raises:
            UsageError: it is not a directory, or belongs to someone else.
            CatalogError: it cannot be made, or lies on a network file system.
        """
        for directory in (self.path, self.manifests, self.indexes, self.backups):
            try:
                _make_private(directory)
            except OSError as err:
                raise CatalogError(
                    f"cannot make {shown(str(directory))}: {err.strerror}",
                    hint="name another directory with --home or AUXTUI_HOME",
                ) from err
        self.refuse_remote()
        return self

    def refuse_remote(self) -> None:
        """Refuses a file system on which locks and shared memory cannot be trusted.

        Raises:
            CatalogError: the home lies on a network file system.
        """
        kind = file_system_of(os.path.realpath(self.path), _read_mounts())
        if is_remote(kind):
            raise CatalogError(
                f"cannot keep the catalog in {shown(str(self.path))}: {kind} is a network file"
                " system, and its locks do not hold between hosts",
                hint="name a directory on a local disk with --home or AUXTUI_HOME",
            )


def _make_private(directory: Path) -> None:
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue  # another process made it meanwhile; looked at below
    found = directory.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        raise UsageError(
            f"{shown(str(directory))} belongs to another user (uid {found.st_uid})",
            hint="run auxtui as that user, or name another directory with --home or AUXTUI_HOME",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        directory.chmod(0o700)


def _read_mounts() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""  # not Linux, or no /proc: nothing is known of the mounts


def file_system_of(path: str, mountinfo: str) -> str:
    """Type of the file system that holds a path, from the text of `/proc/self/mountinfo`.

    Args:
        path: absolute, without symbolic links.
        mountinfo: as in proc(5); the last of equal mount points hides those before it.
    """
    kind, longest = "", -1
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _unescape(fields[4])
        inside = point == "/" or path == point or path.startswith(point + "/")
        if inside and len(point) >= longest:
            kind, longest = after.split(" ", 1)[0], len(point)
    return kind


def is_remote(kind: str) -> bool:
    """True for a file system type that may be shared with other hosts."""
    fuse = kind == "fuse" or kind.startswith("fuse.")
    return kind in REMOTE_FILE_SYSTEMS or (fuse and kind not in LOCAL_FUSE)


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
