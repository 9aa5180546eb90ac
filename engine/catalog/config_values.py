"""Values of the configuration; part of `values`, import them from there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.model.encoding import Encoding, encoding_of
from engine.model.states import CopyKind, Level, LibraryState, SubclientKind

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommCellValue:
    """The installation."""

    uuid: str
    name: str
    time_zone: str
    created_at: datetime
    queue_conflicting_auxcopy_jobs: bool
    auxcopy_not_pick_new_backups: bool
    day_start_s: int
    """Seconds after local midnight, 0 to 86,399."""
    week_start: int
    """0 (Monday) to 6."""
    month_start_day: int
    """1 to 28."""
    behind_bytes: int | None
    behind_age_s: int | None
    behind_time_s: int | None
    """From when on a copy has fallen behind; None: that does not matter."""
    age_identity_files: tuple[str, ...]
    """Paths of the keys that open encrypted copies."""
    yield_percent: int | None
    """Copies give way while something else on the host waits more of the time; None: they do not."""
    history_s: int | None
    """Ended jobs and events are kept so long; None: for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAgentValue:
    """A host that moves data."""

    id: int
    name: str
    time_zone: str
    max_streams: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryValue:
    """A place that holds copies."""

    id: int
    name: str
    url: str
    uuid: str | None
    writers: int
    state: LibraryState
    state_reason: str
    free_bytes: int | None
    total_bytes: int | None
    checked_at: datetime | None
    line: JsonObject
    """Of a library on the network; see `engine.library.line`."""
    last_error: str
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPathValue:
    """A MediaAgent that reaches a library; position 0 is the default path."""

    library_id: int
    media_agent_id: int
    position: int
    url: str = ""
    """Where this MediaAgent finds the library; empty: at the library's own URL."""
    state: str = "unknown"
    """As of the last look through this path."""
    state_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientValue:
    """A protected host."""

    id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """A storage policy."""

    id: int
    name: str
    description: str
    behind: JsonObject
    """Its own limits of falling behind: size_bytes, age_s, time_s; None: never. Absent: the CommCell's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyValue:
    """A copy of a storage policy."""

    id: int
    policy_id: int
    name: str
    kind: CopyKind
    library_id: int | None
    source_copy_id: int | None
    """None: the primary."""
    active: bool
    precedence: int
    retain_s: int | None
    """Seconds; None: for ever."""
    retain_cycles: int
    extended: tuple[Any, ...]
    worm: bool
    defer_s: int
    on_and_after: datetime | None
    subclients: tuple[str, ...]
    """`client/subclient`; empty: all."""
    select_rule: str
    select_every: int
    take: str
    compression: str
    encrypt_to: tuple[str, ...]
    throttle_bps: int | None
    """Bytes per second; None: no limit."""
    throttle_timetable: tuple[JsonObject, ...]
    reflink: bool
    """Large files share the blocks of their source where the file system can do that."""
    verify: str
    verify_expires_s: int | None
    verify_throttle_bps: int | None
    fuse_pct: int
    fuse_jobs: int

    @property
    def encoding(self) -> Encoding:
        """How what is copied there from now on is encoded."""
        return encoding_of(self.compression, self.encrypt_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubclientValue:
    """A named set of content of a client."""

    id: int
    client_id: int
    client: str
    name: str
    policy_id: int
    kind: SubclientKind
    landing: str
    pattern: str
    settle_s: int
    level: Level
    content: tuple[str, ...]
    exclude: tuple[str, ...]
    one_file_system: bool
    volume_bytes: int
    """Of each file of an archive."""
    compression_level: int
    compression_threads: int
    shrunk_pct: int
    believed_files: int
    """Found by the last backup that looked right, or was accepted."""
    believed_bytes: int
    landing_identity: JsonObject
    state: LibraryState
    """Online, offline or unknown, since the last scan."""
    state_reason: str
    scanned_at: datetime | None

    @property
    def full_name(self) -> str:
        """`client/subclient`, as in the site file and on the command line."""
        return f"{self.client}/{self.name}"
