"""The catalog's tables. Rows never leave `engine.catalog`; callers get the frozen values of its queries.

Portable between SQLite and PostgreSQL: big integers for byte counts, text for enums (checked in
code), JSON columns that are replaced and never changed in place, names from disks as bytes.
Times are aware UTC datetimes. Files and chunks are not here but in manifests and journals.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from engine.catalog.columns import (
    JsonList,
    JsonObject,
    TableRow,
    big,
    id_of,
    index_where,
    own_id,
    unique_where,
)
from engine.catalog.job_tables import Attempt as Attempt
from engine.catalog.job_tables import Event as Event
from engine.catalog.job_tables import Job as Job
from engine.catalog.job_tables import JobError as JobError
from engine.catalog.job_tables import JobItem as JobItem
from engine.catalog.job_tables import JobPlan as JobPlan
from engine.catalog.job_tables import RateSample as RateSample
from engine.catalog.job_tables import Request as Request
from engine.catalog.job_tables import ServiceRow as ServiceRow
from engine.catalog.job_tables import StreamRow as StreamRow
from engine.catalog.watch_tables import Alarm as Alarm
from engine.catalog.watch_tables import AlertMessage as AlertMessage
from engine.catalog.watch_tables import CopySample as CopySample
from engine.catalog.watch_tables import CopyStanding as CopyStanding


class CommCell(TableRow, table=True):
    """The installation; exactly one row, made with the catalog."""

    id: int = Field(default=1, primary_key=True)
    uuid: str
    """Written into the marker of every library, so that no other CommCell writes there."""
    name: str = "commcell"
    time_zone: str = "UTC"
    created_at: datetime
    queue_conflicting_auxcopy_jobs: bool = True
    """A run that needs the copies of another waits for it; else it is refused."""
    auxcopy_not_pick_new_backups: bool = False
    """Not scalable: a run leaves out what was still being backed up when it was asked for."""
    yield_percent: int | None = None
    """Copies give way while something else waits more of the time, 1 to 99; None: they do not."""
    day_start_s: int = 0
    """Seconds after local midnight, 0 to 86,399."""
    week_start: int = 4
    """0 (Monday) to 6; 4 is Friday."""
    month_start_day: int = 1
    """1 to 28."""
    behind_bytes: int | None = big(default=25 * 10**12)
    """A copy that owes more has fallen behind; None: that does not matter."""
    behind_age_s: int | None = big(default=14 * 86_400)
    """As long as that due, seconds."""
    behind_time_s: int | None = big(default=48 * 3_600)
    """So much work at the past rate, seconds."""
    age_identity_files: JsonList = Field(default_factory=list, sa_type=JSON)
    """Paths of the keys that open encrypted copies; never the keys."""
    history_s: int | None = big(default=90 * 86_400)
    """Ended jobs and events are kept so long, seconds; None: for ever."""


class IdSequence(TableRow, table=True):
    """One sequence for jobs and backup jobs, so that a job id means one thing."""

    __tablename__ = "id_sequence"
    id: int = Field(default=1, primary_key=True)
    next_id: int = big(default=1)


class MediaAgent(TableRow, table=True):
    __tablename__ = "media_agent"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    time_zone: str = "UTC"
    max_streams: int = 4


class Library(TableRow, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    url: str
    uuid: str | None = None
    """Identity in the marker on the media; None until the marker was written."""
    writers: int = 4
    state: str = "unknown"
    state_reason: str = ""
    free_bytes: int | None = big(default=None)
    total_bytes: int | None = big(default=None)
    checked_at: datetime | None = None
    line: JsonObject = Field(default_factory=dict, sa_type=JSON)
    """Of a library on the network: latency, connections, limits, what it lacks."""
    last_error: str = ""
    last_error_at: datetime | None = None


class DataPath(TableRow, table=True):
    """A MediaAgent that reaches a library; position 0 is the default path."""

    __tablename__ = "data_path"
    library_id: int = Field(foreign_key="library.id", primary_key=True)
    media_agent_id: int = Field(foreign_key="media_agent.id", primary_key=True)
    position: int = 0
    url: str = ""
    """Where this MediaAgent finds the library; empty: at the library's own URL."""
    state: str = "unknown"
    """As of a library, for this path alone."""
    state_reason: str = ""


class Client(TableRow, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)


class StoragePolicy(TableRow, table=True):
    __tablename__ = "storage_policy"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    description: str = ""
    behind: JsonObject = Field(default_factory=dict, sa_type=JSON)
    """Its own limits of falling behind: size_bytes, age_s, time_s; null: never. Absent: the CommCell's."""


class PolicyCopy(TableRow, table=True):
    """A copy of a storage policy."""

    __tablename__ = "policy_copy"
    __table_args__ = (UniqueConstraint("policy_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    policy_id: int = Field(foreign_key="storage_policy.id", index=True)
    name: str
    kind: str
    library_id: int | None = Field(default=None, foreign_key="library.id")
    """None only for the primary of a policy whose subclients are all landing."""
    source_copy_id: int | None = Field(default=None, foreign_key="policy_copy.id")
    """None: the primary."""
    active: bool = True
    precedence: int = 0
    retain_s: int | None = big(default=None)
    """Seconds; None: for ever."""
    retain_cycles: int = 0
    extended: JsonList = Field(default_factory=list, sa_type=JSON)
    worm: bool = False
    defer_s: int = big(default=0)
    on_and_after: datetime | None = None
    subclients: JsonList = Field(default_factory=list, sa_type=JSON)
    """Names `client/subclient`; empty: all of the policy."""
    select_rule: str = "all-fulls"
    """Of a selective copy: all-fulls, hourly .. yearly, every-n-cycles, manual."""
    select_every: int = 1
    take: str = "first"
    compression: str = "none"
    encrypt_to: JsonList = Field(default_factory=list, sa_type=JSON)
    throttle_bps: int | None = big(default=None)
    """Bytes per second; None: no limit."""
    throttle_timetable: JsonList = Field(default_factory=list, sa_type=JSON)
    reflink: bool = False
    """Large files share the blocks of their source where the file system can do that."""
    verify: str = ""
    """`at-write`, `5 % a night`, `within 30d`; empty: on request only."""
    verify_expires_s: int | None = big(default=None)
    verify_throttle_bps: int | None = big(default=None)
    """Bytes per second; None: no limit."""
    fuse_pct: int = 25
    """Aging stops and asks above this share of the job copies at once."""
    fuse_jobs: int = 1000
    """And above this number of them."""


class Subclient(TableRow, table=True):
    __table_args__ = (UniqueConstraint("client_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    client_id: int = Field(foreign_key="client.id")
    name: str
    policy_id: int = Field(foreign_key="storage_policy.id", index=True)
    kind: str
    landing: str = ""
    pattern: str = "*"
    settle_s: int = 300
    level: str = "full"
    content: JsonList = Field(default_factory=list, sa_type=JSON)
    exclude: JsonList = Field(default_factory=list, sa_type=JSON)
    one_file_system: bool = True
    volume_bytes: int = big(default=1024**3)
    """Of each file of an archive."""
    compression_level: int = 3
    compression_threads: int = 1
    shrunk_pct: int = 50
    """When so much is gone, aging stops and asks."""
    believed_files: int = 0
    """Found by the last backup that looked right, or was accepted."""
    believed_bytes: int = big(default=0)
    landing_identity: JsonObject = Field(default_factory=dict, sa_type=JSON)
    """File system and directory that were adopted first; another one is offline."""
    state: str = "unknown"
    """online, offline or unknown, since the last scan."""
    state_reason: str = ""
    scanned_at: datetime | None = None


class OperationWindow(TableRow, table=True):
    """When operations must not run, on one or more nodes."""

    __tablename__ = "operation_window"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    on_nodes: JsonList = Field(default_factory=list, sa_type=JSON)
    operations: JsonList = Field(default_factory=list, sa_type=JSON)
    do_not_run: JsonList = Field(default_factory=list, sa_type=JSON)
    time_zone: str = "UTC"
    let_running_jobs_finish: bool = False
    do_not_submit: bool = False
    """A scheduled run that is due while it is closed is skipped; one that somebody starts is queued."""
    ignore_higher_levels: bool = False


class Activity(TableRow, table=True):
    """A node on which operations are switched off, with all below it."""

    node: str = Field(primary_key=True)
    off_until: datetime | None = None
    """When it is on again by itself; None: when somebody switches it on."""
    by: str
    at: datetime


class Schedule(TableRow, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    operation: str
    policy_id: int | None = Field(default=None, foreign_key="storage_policy.id")
    spec: str
    """As in the site file: `daily at 22:00`."""
    time_zone: str = "UTC"
    enabled: bool = True
    start_missed: bool = True
    """A run that was missed while the service was down is started late; else only reported."""
    options: JsonObject = Field(default_factory=dict, sa_type=JSON)
    next_run_at: datetime | None = None
    last_run_at: datetime | None = None
    """When it last started a job."""
    seen_at: datetime | None = None
    """When the newest backup job came that an after-backup schedule has acted on."""


class Alert(TableRow, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    on_events: JsonList = Field(default_factory=list, sa_type=JSON)
    to: str
    options: JsonObject = Field(default_factory=dict, sa_type=JSON)


class BackupJob(TableRow, table=True):
    """One backup of one subclient; immutable once it is complete."""

    __tablename__ = "backup_job"
    __table_args__ = (
        Index("ix_backup_job_subclient", "subclient_id", "completed_at"),
        unique_where(
            "uq_backup_job_adopted", "fingerprint <> ''", "subclient_id", "name", "fingerprint"
        ),
    )
    id: int = own_id()
    subclient_id: int = Field(foreign_key="subclient.id")
    policy_id: int = Field(foreign_key="storage_policy.id", index=True)
    level: str
    name: bytes = Field(default=b"", sa_type=LargeBinary)
    """Landing: the adopted entry below the landing directory, exact bytes."""
    fingerprint: str = ""
    """BLAKE3 over the identities of all entries at adoption; another one is another backup job."""
    cycle: int = 0
    started_at: datetime
    completed_at: datetime
    adopted_at: datetime
    size_bytes: int = big(default=0)
    files: int = 0
    chunks: int = 0


class JobCopy(TableRow, table=True):
    """The ledger: one backup job on one copy. A row for every pair that was ever owed."""

    __tablename__ = "job_copy"
    __table_args__ = (
        Index("ix_job_copy_backup_job", "backup_job_id"),
        # Counts per state and the filtered list of a copy with 100,000 job copies come from it alone.
        Index("ix_job_copy_state", "copy_id", "state", "backup_job_id"),
        # A run asks for the few of a copy that somebody decided about or that are encoded.
        index_where(
            "ix_job_copy_decided", "decision <> ''", "copy_id", "backup_job_id", "decision"
        ),
        index_where(
            "ix_job_copy_encoded", "encoding <> ''", "copy_id", "backup_job_id", "encoding"
        ),
    )
    copy_id: int = Field(foreign_key="policy_copy.id", primary_key=True)
    backup_job_id: int = id_of("backup_job.id")
    state: str
    state_at: datetime | None = None
    """Since when it is in this state."""
    reason: str = ""
    next_step: str = ""
    chunks_done: int = 0
    bytes_done: int = big(default=0)
    copied_at: datetime | None = None
    copied_by_job: int | None = big(default=None)
    manifest_digest: bytes | None = Field(default=None, sa_type=LargeBinary)
    verification: str = "never"
    verified_at: datetime | None = None
    retain_until: datetime | None = None
    retained_by: str = ""
    decision: str = ""
    """An operator's word: picked, do_not_copy, recopy, bad; empty: the rules decide."""
    decided_by: str = ""
    decided_at: datetime | None = None
    priority: int = 5
    """0 (first) to 9 (last), as of jobs."""
    tries: int = 0
    """Failed attempts since the last success; shown, and the limit of tries counts them."""
    pinned_by: str = ""
    """Who keeps it beyond its retention; empty: nobody."""
    pinned_until: datetime | None = None
    """None with `pinned_by`: for good."""
    pinned_at: datetime | None = None
    encoding: str = ""
    """How its files are encoded, as `Encoding.text`; empty: as they are."""


class LandingObservation(TableRow, table=True):
    """An entry that has not settled yet, or whose times lie in the future, and since when it is unchanged."""

    __tablename__ = "landing_observation"
    subclient_id: int = Field(foreign_key="subclient.id", primary_key=True)
    name: bytes = Field(sa_column=Column(LargeBinary(), primary_key=True))
    fingerprint: str
    first_seen_at: datetime
    reason: str = ""
