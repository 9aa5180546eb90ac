"""States and kinds, as text that is the same in code, catalog, JSON and on screens."""

from __future__ import annotations

from enum import StrEnum

INCOMPLETE = "incomplete: "
"""How the reason of a job copy begins that is available, but without something that lay there."""
FOREIGN, FOREIGN_HINT = (
    "it belongs to another CommCell",
    "use another directory, or the CommCell that it belongs to; if that one's catalog is lost:"
    " auxtui catalog rebuild",
)
"""Why a library of somebody else is offline, and what to do: waiting or mounting does not help."""
LAST_FAILED = "the last try failed: "
"""How the reason of a job copy begins that a run could not make; it stays until one can."""


class Operation(StrEnum):
    """What a job does."""

    AUXCOPY = "auxcopy"
    BACKUP = "backup"
    VERIFICATION = "verification"
    AGING = "aging"
    RESTORE = "restore"
    SCAN = "scan"
    REPAIR = "repair"


class JobState(StrEnum):
    """State of a job; each that is not running carries a reason, and until when if known."""

    WAITING = "waiting"
    """No stream, media or agent yet."""
    QUEUED = "queued"
    """Held back by a window, a conflict or disabled activity."""
    RUNNING = "running"
    PENDING = "pending"
    """An attempt failed; it retries by itself."""
    SUSPENDED = "suspended"
    INTERRUPTED = "interrupted"
    """Preempted by a job of higher priority."""
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    KILLED = "killed"

    @property
    def is_final(self) -> bool:
        """True when the job will never run again under this id."""
        return self in FINAL_JOB_STATES

    @property
    def is_resumable(self) -> bool:
        """True when a request can let the job go on; what else waits goes on by itself."""
        return self in (JobState.SUSPENDED, JobState.PENDING)


FINAL_JOB_STATES = frozenset(
    {JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS, JobState.FAILED, JobState.KILLED}
)
ACTIVE_JOB_STATES = frozenset(JobState) - FINAL_JOB_STATES


class Phase(StrEnum):
    """What a running job is doing."""

    NONE = ""
    SCAN = "scan"
    PLAN = "plan"
    COPY = "copy"
    PUBLISH = "publish"
    BACKUP = "backup"
    VERIFY = "verify"
    AGE = "age"
    RESTORE = "restore"
    DONE = "done"


class JobCopyState(StrEnum):
    """State of one backup job on one copy: the ledger."""

    TO_BE_COPIED = "to_be_copied"
    PARTIALLY_COPIED = "partially_copied"
    AVAILABLE = "available"
    DO_NOT_COPY = "do_not_copy"
    DEFERRED = "deferred"
    AGED = "aged"
    BAD = "bad"


OVER = frozenset({JobCopyState.AGED, JobCopyState.DO_NOT_COPY})
"""Nothing of the job copy is kept, nor will be by itself."""


class CopyKind(StrEnum):
    """Kind of a copy of a storage policy."""

    PRIMARY = "primary"
    SYNCHRONOUS = "synchronous"
    SELECTIVE = "selective"


class SubclientKind(StrEnum):
    """Landing: adopts what others write. Content: is backed up by auxtui."""

    LANDING = "landing"
    CONTENT = "content"


class Level(StrEnum):
    """Level of a backup job."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Verification(StrEnum):
    """Result of data verification of a job copy."""

    NEVER = "never"
    GOOD = "good"
    FAILED = "failed"


class RequestKind(StrEnum):
    """What a console or command line may ask of the service."""

    RUN = "run"
    SUSPEND = "suspend"
    RESUME = "resume"
    KILL = "kill"
    PRIORITY = "priority"
    THROTTLE = "throttle"
    SCAN = "scan"
    DECIDE = "decide"
    SCHEDULE = "schedule"
    ACTIVITY = "activity"
    PROMOTE = "promote"
    CLEAR_ALARMS = "clear_alarms"
    RELEASE = "release"
    RETAIN = "retain"
    STOP_SERVICE = "stop_service"


class RequestState(StrEnum):
    """A request is filed, then done or refused with an answer."""

    FILED = "filed"
    DONE = "done"
    REFUSED = "refused"


class Severity(StrEnum):
    """Severity of an event or a finding."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LibraryState(StrEnum):
    """What is known about a library since its last probe."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    OFFLINE = "offline"
    FULL = "full"


class StreamState(StrEnum):
    """What one stream of a running job is doing."""

    IDLE = "idle"
    COPYING = "copying"
    SYNCING = "syncing"
    THROTTLED = "throttled"
    FAILED = "failed"
