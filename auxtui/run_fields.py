"""The fields of the Run Auxiliary Copy form, each with its tab, unit, help and default. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from engine.policy.alerting import JobAlert

GENERAL, INITIATION, ADVANCED, PLAN = TABS = ("General", "Job Initiation", "Advanced", "Plan")

NOW, SCHEDULE, AUTOMATIC, SCRIPT = "now", "schedule", "automatic", "script"
INITIATIONS = (
    (NOW, "immediate: one job, now"),
    (SCHEDULE, "schedule: at the times said below"),
    (AUTOMATIC, "automatic: every 30 minutes"),
    (SCRIPT, "save as script: a file, no job"),
)
ALERT_TIMES = (
    ("ends, however it does", JobAlert.ENDS.value),
    ("ends with errors, fails or is killed", JobAlert.ERRORS.value),
    ("fails", JobAlert.FAILS.value),
)
BELONGS_TO = {
    "schedule_name": (SCHEDULE, AUTOMATIC),
    "schedule_when": (SCHEDULE,),
    "schedule_zone": (SCHEDULE, AUTOMATIC),
    "script_file": (SCRIPT,),
}
"""Fields that matter only for some initiations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the form."""

    name: str
    label: str
    tab: str
    kind: str
    """choice, text or check."""
    help: str
    default: str
    """In words, for the help line."""
    value: str | bool = ""

    @property
    def help_line(self) -> str:
        """What the field is, and what stands in it unless somebody says otherwise."""
        return f"{self.help} Default: {self.default}."


FIELDS = (
    Field(
        name="copies",
        label="Copies",
        tab=GENERAL,
        kind="choice",
        help="All active secondary copies of the policy, or one of them.",
        default="all",
    ),
    Field(
        name="source_media_agent",
        label="Source MediaAgent",
        tab=GENERAL,
        kind="choice",
        help="Which one reads a shared source library; any: the least busy.",
        default="any",
    ),
    Field(
        name="streams",
        label="Streams",
        tab=GENERAL,
        kind="text",
        help="max: as many as every limit allows; or 1 to 256.",
        default="max",
    ),
    Field(
        name="scalable",
        label="Scalable Resource Allocation",
        tab=GENERAL,
        kind="check",
        help="Streams pull from one queue, load is spread, new backup jobs join.",
        default="yes",
    ),
    Field(
        name="jobs_to_process",
        label="Jobs to process",
        tab=GENERAL,
        kind="text",
        help="Scalable: so many backup jobs are queued at a time.",
        default="1000",
    ),
    Field(
        name="skip_failed_verification",
        label="Skip failed verification",
        tab=GENERAL,
        kind="check",
        help="Leaves out what failed data verification; never verified is copied.",
        default="no",
    ),
    Field(
        name="use_most_recent_full",
        label="Most recent full only",
        tab=GENERAL,
        kind="check",
        help="Only the newest full of each subclient.",
        default="no",
    ),
    Field(
        name="fulls_first",
        label="Fulls first",
        tab=GENERAL,
        kind="check",
        help="Space-optimised: fulls first, three tries each, then the rest.",
        default="no",
    ),
    Field(
        name="throttle",
        label="Throttle, MiB/s",
        tab=GENERAL,
        kind="text",
        help="Limit of this run; it can be changed later (t).",
        default="empty, what the copies say",
    ),
    Field(
        name="initiation",
        label="Start",
        tab=INITIATION,
        kind="choice",
        help="A job now, a schedule that starts it, or a file for `auxtui auxcopy --script`.",
        default="immediate",
    ),
    Field(
        name="schedule_name",
        label="Name of the schedule",
        tab=INITIATION,
        kind="text",
        help="It stands in Schedule Policies and in the site file.",
        default="policy and copy",
    ),
    Field(
        name="schedule_when",
        label="When",
        tab=INITIATION,
        kind="text",
        help="daily at 22:00, weekly on mon-fri at 22:00, every 2h, continuous ...",
        default="daily at 22:00",
    ),
    Field(
        name="schedule_zone",
        label="Time zone",
        tab=INITIATION,
        kind="text",
        help="IANA name, e.g. Europe/Berlin.",
        default="that of the CommCell",
    ),
    Field(
        name="script_file",
        label="File of the script",
        tab=INITIATION,
        kind="text",
        help="A new file; `auxtui auxcopy --script FILE` runs it just as said here.",
        default="policy.toml",
    ),
    Field(
        name="priority",
        label="Priority",
        tab=ADVANCED,
        kind="text",
        help="Startup: 0 is first, 9 is last.",
        default="5",
    ),
    Field(
        name="start_suspended",
        label="Start suspended",
        tab=ADVANCED,
        kind="check",
        help="Startup: the job is made and waits until it is resumed (u).",
        default="no",
    ),
    Field(
        name="description",
        label="Description",
        tab=ADVANCED,
        kind="text",
        help="Startup: shown with the job, now and in the history.",
        default="empty",
    ),
    Field(
        name="retries",
        label="Number of retries",
        tab=ADVANCED,
        kind="text",
        help="Job retry: attempts after the first, for errors that may pass.",
        default="3",
    ),
    Field(
        name="total_time",
        label="Total running time, hours",
        tab=ADVANCED,
        kind="text",
        help="Job retry: not longer than this over all attempts.",
        default="empty, no limit",
    ),
    Field(
        name="kill_after_total_time",
        label="Kill when it expires",
        tab=ADVANCED,
        kind="check",
        help="Ends a running job at that time; what is published stays.",
        default="no",
    ),
    Field(
        name="alert",
        label="Alert",
        tab=ADVANCED,
        kind="choice",
        help="Who is told of this job: an alert of the site file, whatever it tells of besides.",
        default="nobody",
    ),
    Field(
        name="alert_when",
        label="It tells when the job",
        tab=ADVANCED,
        kind="choice",
        help="Alert: errors are a failure, a kill, or an end with errors.",
        default="ends, however it does",
    ),
)
