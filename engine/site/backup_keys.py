"""How a subclient is backed up: the keys of its table that go with `content`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.catalog.tables import Subclient
from engine.model.states import Level
from engine.policy.backup import SHRUNK_PCT
from engine.policy.durations import format_size, parse_size
from engine.site.section import Section

BACKUP_KEYS = (
    "exclude",
    "one_file_system",
    "volume_size",
    "compression_level",
    "compression_threads",
    "shrunk_percent",
)
DEFAULT_VOLUME_BYTES = 1024**3
MIN_VOLUME_BYTES = 1024**2
MAX_VOLUME_BYTES = 64 * 1024**3
DEFAULT_COMPRESSION_LEVEL = 3
MAX_COMPRESSION_LEVEL = 19
MAX_COMPRESSION_THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupKeys:
    """What a backup goes by, besides its content."""

    exclude: tuple[str, ...] = ()
    one_file_system: bool = True
    volume_bytes: int = DEFAULT_VOLUME_BYTES
    compression_level: int = DEFAULT_COMPRESSION_LEVEL
    compression_threads: int = 1
    shrunk_pct: int = SHRUNK_PCT
    """When so much of the files or bytes is gone, aging stops and asks; 1 to 100."""


def read_backup_keys(section: Section) -> BackupKeys:
    """The keys of a subclient's table.

    Raises:
        SiteError: a value that cannot be meant.
    """
    exclude = section.texts("exclude")
    for glob in exclude:
        if "\0" in glob or not glob.strip("/"):
            raise section.error("exclude", f'"{glob}" would leave out everything, or nothing')
    volume_bytes = section.parsed("volume_size", parse_size, DEFAULT_VOLUME_BYTES)
    if not MIN_VOLUME_BYTES <= volume_bytes <= MAX_VOLUME_BYTES:
        raise section.error("volume_size", "is out of range, 1MiB to 64GiB")
    return BackupKeys(
        exclude=exclude,
        one_file_system=section.flag("one_file_system", True),
        volume_bytes=volume_bytes,
        compression_level=section.integer(
            "compression_level", DEFAULT_COMPRESSION_LEVEL, 1, MAX_COMPRESSION_LEVEL
        ),
        compression_threads=section.integer("compression_threads", 1, 1, MAX_COMPRESSION_THREADS),
        shrunk_pct=section.integer("shrunk_percent", SHRUNK_PCT, 1, 100),
    )


def read_level(section: Section) -> str:
    """What `auxtui backup` makes when it is not told: by default an incremental."""
    return section.choice("level", Level.INCREMENTAL, tuple(Level))


def rendered_backup_keys(keys: BackupKeys) -> dict[str, Any]:
    """The same keys, to compare and to export."""
    return {
        "exclude": list(keys.exclude),
        "one_file_system": keys.one_file_system,
        "volume_size": format_size(keys.volume_bytes, exact=True),
        "compression_level": keys.compression_level,
        "compression_threads": keys.compression_threads,
        "shrunk_percent": keys.shrunk_pct,
    }


def backup_keys_of(row: Subclient) -> BackupKeys:
    """What a row of the catalog says."""
    return BackupKeys(
        exclude=tuple(row.exclude),
        one_file_system=row.one_file_system,
        volume_bytes=row.volume_bytes,
        compression_level=row.compression_level,
        compression_threads=row.compression_threads,
        shrunk_pct=row.shrunk_pct,
    )


def store_backup_keys(row: Subclient, keys: BackupKeys) -> None:
    """Writes it to a row of the catalog."""
    row.exclude, row.one_file_system = list(keys.exclude), keys.one_file_system
    row.volume_bytes = keys.volume_bytes
    row.compression_level = keys.compression_level
    row.compression_threads = keys.compression_threads
    row.shrunk_pct = keys.shrunk_pct
