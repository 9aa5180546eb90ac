"""A configuration as plain values, equal in shape whether it was read from a file or a catalog.

Each item knows its place in the site file; two configurations are compared item by item.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from engine.model.encoding import Encoding, encoding_of
from engine.model.states import CopyKind, SubclientKind
from engine.policy.backlog import BehindLimits
from engine.policy.periods import FRIDAY
from engine.site.backup_keys import BackupKeys
from engine.site.upkeep import Upkeep

Place = tuple[str, ...]
"""Keys of the table in the site file: `("policies", "databases", "copies", "offsite")`."""
JsonTable = dict[str, Any]

DEFAULT_COMMCELL = "commcell"
DEFAULT_ZONE = "UTC"
DEFAULT_MAX_STREAMS = 4
DEFAULT_WRITERS = 4
DEFAULT_SETTLE_S = 300
HISTORY_S = 90 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class _NamedItem:
    """What an item of a top-level table of the site file has."""

    kind_name: ClassVar[str]
    table: ClassVar[str]
    name: str

    @property
    def place(self) -> Place:
        return (self.table, self.name)

    @property
    def label(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CommCellItem(_NamedItem):
    """The installation itself."""

    kind_name: ClassVar[str] = "commcell"
    table: ClassVar[str] = "commcell"
    name: str = DEFAULT_COMMCELL
    time_zone: str = DEFAULT_ZONE
    queue_conflicting_auxcopy_jobs: bool = True
    auxcopy_not_pick_new_backups: bool = False
    day_start_s: int = 0
    """Seconds after local midnight, 0 to 86,399."""
    week_start: int = FRIDAY
    """0 (Monday) to 6."""
    month_start_day: int = 1
    """1 to 28."""
    behind: BehindLimits = field(default_factory=BehindLimits)
    history_s: int | None = HISTORY_S
    """Ended jobs and events are kept so long; None: for ever."""
    age_identity_files: tuple[str, ...] = ()
    yield_percent: int | None = None
    """Copies give way while something else on the host waits more of the time; None: they do not."""

    @property
    def place(self) -> Place:
        return ("commcell",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAgentItem(_NamedItem):
    """A host that moves data."""

    kind_name: ClassVar[str] = "media_agent"
    table: ClassVar[str] = "media_agents"
    time_zone: str
    max_streams: int = DEFAULT_MAX_STREAMS


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryItem(_NamedItem):
    """A place that holds copies."""

    kind_name: ClassVar[str] = "library"
    table: ClassVar[str] = "libraries"
    url: str
    media_agents: tuple[str, ...] = ()
    """The first is the default data path."""
    paths: tuple[tuple[str, str], ...] = ()
    """MediaAgents that find it elsewhere than at its URL, each with the URL that it uses."""
    writers: int = DEFAULT_WRITERS


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientItem(_NamedItem):
    """A protected host."""

    kind_name: ClassVar[str] = "client"
    table: ClassVar[str] = "clients"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubclientItem:
    """A named set of a client's content."""

    kind_name: ClassVar[str] = "subclient"
    client: str
    name: str
    policy: str
    kind: SubclientKind
    landing: str = ""
    pattern: str = "*"
    settle_s: int = DEFAULT_SETTLE_S
    level: str = "full"
    content: tuple[str, ...] = ()
    backup: BackupKeys = field(default_factory=BackupKeys)
    """Of content."""

    @property
    def place(self) -> Place:
        return ("clients", self.client, "subclients", self.name)

    @property
    def label(self) -> str:
        return f"{self.client}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyItem(_NamedItem):
    """A storage policy without its copies."""

    kind_name: ClassVar[str] = "policy"
    table: ClassVar[str] = "policies"
    description: str = ""
    behind: JsonTable = field(default_factory=dict)
    """Its own limits of falling behind: size_bytes, age_s, time_s; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyItem:
    """A copy of a storage policy."""

    kind_name: ClassVar[str] = "copy"
    policy: str
    name: str
    kind: CopyKind
    precedence: int
    library: str = ""
    """Empty only for the primary of a policy whose subclients are all landing."""
    source: str = ""
    """Name of the source copy; empty: the primary."""
    active: bool = True
    retain_s: int | None = None
    """Seconds; None: for ever."""
    retain_cycles: int = 0
    extended: tuple[JsonTable, ...] = ()
    worm: bool = False
    defer_s: int = 0
    on_and_after: datetime | None = None
    subclients: tuple[str, ...] = ()
    select_rule: str = "all-fulls"
    select_every: int = 1
    take: str = "first"
    compression: str = "none"
    encrypt_to: tuple[str, ...] = ()
    throttle_bps: int | None = None
    throttle_timetable: tuple[JsonTable, ...] = ()
    reflink: bool = False
    """Large files share the blocks of their source where the file system can do that."""
    upkeep: Upkeep = field(default_factory=Upkeep)

    @property
    def encoding(self) -> Encoding:
        """How what is copied there is encoded."""
        return encoding_of(self.compression, self.encrypt_to)

    @property
    def place(self) -> Place:
        return ("policies", self.policy, "copies", self.name)

    @property
    def label(self) -> str:
        return f"{self.policy}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowItem(_NamedItem):
    """When operations must not run."""

    kind_name: ClassVar[str] = "window"
    table: ClassVar[str] = "windows"
    on_nodes: tuple[str, ...]
    operations: tuple[str, ...]
    do_not_run: tuple[JsonTable, ...]
    time_zone: str
    let_running_jobs_finish: bool = False
    do_not_submit: bool = False
    ignore_higher_levels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleItem(_NamedItem):
    """When an operation runs."""

    kind_name: ClassVar[str] = "schedule"
    table: ClassVar[str] = "schedules"
    operation: str
    policy: str
    spec: str
    time_zone: str
    enabled: bool = True
    start_missed: bool = True
    options: JsonTable = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertItem(_NamedItem):
    """Who is told of what."""

    kind_name: ClassVar[str] = "alert"
    table: ClassVar[str] = "alerts"
    on_events: tuple[str, ...]
    to: str
    options: JsonTable = field(default_factory=dict)
    """Its other keys that are not as usual."""


Item = (
    CommCellItem
    | MediaAgentItem
    | LibraryItem
    | ClientItem
    | SubclientItem
    | PolicyItem
    | CopyItem
    | WindowItem
    | ScheduleItem
    | AlertItem
)


@dataclass(slots=True)
class Configuration:
    """All items by place, what is referred to before what refers to it."""

    commcell: CommCellItem = field(default_factory=CommCellItem)
    media_agents: dict[str, MediaAgentItem] = field(default_factory=dict)
    libraries: dict[str, LibraryItem] = field(default_factory=dict)
    clients: dict[str, ClientItem] = field(default_factory=dict)
    policies: dict[str, PolicyItem] = field(default_factory=dict)
    copies: dict[tuple[str, str], CopyItem] = field(default_factory=dict)
    """By policy and name, in the order of the file."""
    subclients: dict[tuple[str, str], SubclientItem] = field(default_factory=dict)
    windows: dict[str, WindowItem] = field(default_factory=dict)
    schedules: dict[str, ScheduleItem] = field(default_factory=dict)
    alerts: dict[str, AlertItem] = field(default_factory=dict)

    def by_place(self) -> dict[Place, Item]:
        """Every item by its place, in an order in which they can be made."""
        items: list[Item] = [
            self.commcell,
            *self.media_agents.values(),
            *self.libraries.values(),
            *self.policies.values(),
            *self.copies.values(),
            *self.clients.values(),
            *self.subclients.values(),
            *self.windows.values(),
            *self.schedules.values(),
            *self.alerts.values(),
        ]
        return {item.place: item for item in items}

    def copies_of(self, policy: str) -> list[CopyItem]:
        """Copies of one policy."""
        return [copy for copy in self.copies.values() if copy.policy == policy]

    def subclients_of(self, policy: str) -> list[SubclientItem]:
        """Subclients that are associated with one policy."""
        return [item for item in self.subclients.values() if item.policy == policy]
