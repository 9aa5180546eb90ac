"""What `engine.catalog.live` reads beyond `values`: frozen, names resolved, equal when unchanged.

Imports nothing that costs start-up time; the console holds these as snapshots and compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engine.catalog.rule_values import ActivityValue, ScheduleValue, WindowValue
from engine.catalog.watch_values import CopyStanding
from engine.model.states import JobCopyState, JobState, LibraryState


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCounts:
    """How many backup jobs a copy holds in each state, and what it still owes."""

    by_state: Mapping[str, int] = field(default_factory=dict)
    again: int = 0
    """Of those that are there: how many are to be copied anew."""
    owed_bytes: int = 0
    """Bytes of backup jobs to be copied, partially copied, or to be copied anew."""
    bad_bytes: int = 0
    oldest_owed_at: datetime | None = None
    """Adoption of the backup job that has been owed for longest: what is older was not owed yet."""

    def of(self, *states: JobCopyState) -> int:
        """Number of backup jobs in any of the states."""
        return sum(self.by_state.get(state, 0) for state in states)

    @property
    def owed(self) -> int:
        """Backup jobs that are still to be copied, wholly or in part, or to be copied anew."""
        return self.of(JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED) + self.again


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCopy:
    """A copy of a storage policy."""

    id: int
    policy_id: int
    policy: str
    name: str
    kind: str
    library_id: int | None
    library: str
    """Empty: the landing directories themselves."""
    source: str
    """Name of the source copy; empty for the primary."""
    active: bool
    precedence: int
    retain_s: int | None
    retain_cycles: int
    extended: tuple[tuple[str, int], ...]
    """Which fulls are kept longer, and for how many seconds."""
    defer_s: int
    on_and_after: datetime | None
    select_rule: str
    select_every: int
    take: str
    compression: str
    encrypt_to: tuple[str, ...]
    throttle_bps: int | None
    reflink: bool
    """Large files share the blocks of their source where the file system can do that."""
    counts: CopyCounts
    standing: CopyStanding | None = None
    """Fallen behind or not, and its forecast; None: not measured yet, or nothing is copied to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePolicy:
    """A storage policy with its copies, the primary first."""

    id: int
    name: str
    description: str
    copies: tuple[LiveCopy, ...]
    subclients: int
    last_run: tuple[int, str, str] | None
    """Job id, state and reason of the last finished auxiliary copy."""

    @property
    def is_behind(self) -> bool:
        """True when a copy of it has fallen behind."""
        return any(copy.standing is not None and copy.standing.is_behind for copy in self.copies)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSubclient:
    """A subclient: what is protected."""

    id: int
    client_id: int
    client: str
    name: str
    policy: str
    kind: str
    landing: str
    pattern: str
    settle_s: int
    level: str
    state: str
    state_reason: str
    scanned_at: datetime | None
    left: int = 0
    """Entries of its landing directory that are not adopted and will not be by waiting; no links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveClient:
    """A client with its subclients."""

    id: int
    name: str
    subclients: tuple[LiveSubclient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLine:
    """The way to a library on the network as its last probe found it."""

    transport: str
    peer: str
    latency_ms: float | None
    connections: int
    limits: tuple[str, ...]
    offers: tuple[str, ...]
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLibrary:
    """A library as its last probe found it."""

    id: int
    name: str
    url: str
    writers: int
    state: str
    state_reason: str
    free_bytes: int | None
    total_bytes: int | None
    checked_at: datetime | None
    line: LiveLine | None
    """Of a library on the network, once it was reached."""
    last_error: str
    last_error_at: datetime | None
    media_agents: tuple[str, ...]
    """Those with a data path, the default one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePath:
    """A data path: a MediaAgent that reaches a library."""

    media_agent: str
    library: str
    url: str
    """Where the MediaAgent finds the library."""
    state: str
    """unknown, online, offline, full: as the last look through this path has found it."""
    reason: str
    checked_at: datetime | None = None
    """The last look at the library, through every path to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMediaAgent:
    """A MediaAgent and what it reaches."""

    id: int
    name: str
    time_zone: str
    max_streams: int
    libraries: tuple[str, ...]
    paths: tuple[LivePath, ...] = ()

    @property
    def state(self) -> str:
        """Online while one of its data paths is; offline when none is; unknown before a look."""
        states = {path.state for path in self.paths}
        if states - {LibraryState.OFFLINE, LibraryState.UNKNOWN}:
            return LibraryState.ONLINE
        return LibraryState.OFFLINE if states == {LibraryState.OFFLINE} else LibraryState.UNKNOWN

    @property
    def checked_at(self) -> datetime | None:
        """Since when its state is not looked at anew: the oldest look at one of its libraries."""
        looks = [path.checked_at for path in self.paths]
        return min((look for look in looks if look is not None), default=None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why data paths are offline."""
        offline = [path.reason for path in self.paths if path.state == LibraryState.OFFLINE]
        return tuple(dict.fromkeys(offline))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """The whole CommCell tree."""

    commcell: str
    time_zone: str
    policies: tuple[LivePolicy, ...]
    clients: tuple[LiveClient, ...]
    libraries: tuple[LiveLibrary, ...]
    media_agents: tuple[LiveMediaAgent, ...]
    schedules: tuple[ScheduleValue, ...] = ()
    windows: tuple[WindowValue, ...] = ()
    off: tuple[ActivityValue, ...] = ()
    """Where activity was switched off; it is on again when `off_until` is past."""
    alerts: tuple[str, ...] = ()
    """Their names."""

    def copies(self) -> tuple[LiveCopy, ...]:
        """Every copy of every policy, in the order of the tree."""
        return tuple(copy for policy in self.policies for copy in policy.copies)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveItem:
    """What a run did with one backup job for one copy."""

    backup_job_id: int
    client: str
    subclient: str
    copy: str
    outcome: str
    reason: str
    size_bytes: int
    seconds: float
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBackupJob:
    """One backup job."""

    id: int
    client: str
    subclient: str
    policy_id: int
    policy: str
    level: str
    name: bytes
    cycle: int
    started_at: datetime
    completed_at: datetime
    adopted_at: datetime
    size_bytes: int
    files: int
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveJobCopy:
    """One backup job on one copy: a line of the ledger."""

    copy_id: int
    policy: str
    copy: str
    backup_job_id: int
    client: str
    subclient: str
    level: str
    name: bytes
    started_at: datetime
    completed_at: datetime
    size_bytes: int
    files: int
    chunks: int
    state: str
    reason: str
    next_step: str
    chunks_done: int
    bytes_done: int
    copied_at: datetime | None
    copied_by_job: int | None
    verification: str
    verified_at: datetime | None
    retain_until: datetime | None
    retained_by: str
    decision: str
    decided_by: str
    decided_at: datetime | None
    priority: int
    tries: int
    kind: str
    """Of the copy."""
    pinned_by: str
    """Who keeps it beyond its retention; empty: nobody."""
    pinned_until: datetime | None
    """None with `pinned_by`: for good."""
    pinned_at: datetime | None
    encoding: str
    """As `Encoding.text`; empty: as they are."""


class LedgerOrder(StrEnum):
    """How the backup jobs of a copy are sorted."""

    ID = "id"
    STATE = "state"
    CLIENT = "client"
    SIZE = "size"
    STARTED = "started"
    COPIED = "copied"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFilter:
    """Which backup jobs of a copy are listed; empty parts do not filter."""

    states: tuple[JobCopyState, ...] = ()
    level: str = ""
    client: str = ""
    subclient: str = ""
    since: datetime | None = None
    until: datetime | None = None
    least_bytes: int | None = None
    most_bytes: int | None = None
    verification: str = ""
    """never, good or failed."""
    decision: str = ""
    """What an operator decided: picked, do_not_copy, recopy or bad."""
    retain_until: datetime | None = None
    """May go before this."""
    retained_by: str = ""
    """Found in what keeps it."""
    reason: str = ""
    """Found in the reason."""
    text: str = ""
    """Found in the id, the client, the subclient or the name."""

    @property
    def parts(self) -> int:
        """How many parts filter, besides the states and the text."""
        every = (
            self.level, self.client, self.subclient, self.since, self.until, self.verification,
            self.least_bytes, self.most_bytes, self.decision, self.retain_until, self.retained_by,
            self.reason,
        )  # fmt: skip
        return sum(part not in ("", None) for part in every)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFilter:
    """Which jobs are listed; empty parts do not filter."""

    active: bool | None = None
    states: tuple[JobState, ...] = ()
    operation: str = ""
    policy: str = ""
    since: datetime | None = None
    """Created, or still going, after this."""
    text: str = ""
    """Found in the id, the policy, the reason, the description or the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswer:
    """What the service said to a request."""

    state: str
    answer: Mapping[str, object]
