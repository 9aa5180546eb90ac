"""The keys of each kind of item of the site file, as fields of a form: label, default, help. Pure.

What a value means, and whether it is right, is judged by the engine that reads site files.
"""

from __future__ import annotations

from dataclasses import replace

from auxtui.form import Values
from auxtui.site_key import ZONE_HELP, Key, names_at
from auxtui.site_keys_of_copies import COPY
from engine.policy.backup import SHRUNK_PCT


def _landing(values: Values) -> bool:
    return values.get("protects") != "content"


def _content(values: Values) -> bool:
    return values.get("protects") == "content"


MEDIA_AGENT = (
    Key(name="time_zone", label="Time zone", help=ZONE_HELP),
    Key(
        name="max_streams",
        label="Streams at most",
        help="Over all jobs at once, 1 to 256; 4 by default.",
        shape="number",
        default=4,
    ),
)
LIBRARY = (
    Key(
        name="url",
        label="Place",
        help="A directory like /mnt/vault, sftp://host/path, or s3://bucket/prefix.",
        is_kept=True,
    ),
    Key(
        name="media_agents",
        label="MediaAgents",
        help="Those that reach it, the default one first, by commas; more than one: shared.",
        shape="list",
        default=[],
    ),
    Key(
        name="paths",
        label="Other places",
        help="MediaAgents that find it elsewhere: there=/net/vault, by commas.",
        shape="pairs",
        default={},
    ),
    Key(
        name="writers",
        label="Writers at most",
        help="So many streams write to it at once, 1 to 256; 4 by default.",
        shape="number",
        default=4,
    ),
)
POLICY = (
    Key(name="description", label="Description", help="What it is for, in a few words."),
    Key(
        name="behind_size",
        label="Fallen behind above",
        help="25TB ..., or never; empty: as the CommCell has it.",
    ),
    Key(
        name="behind_age",
        label="or older than",
        help="14d ..., or never; empty: as the CommCell has it.",
    ),
    Key(
        name="behind_time",
        label="or longer than",
        help="48h of work at the past rate, or never; empty: as the CommCell has it.",
    ),
)
CLIENT: tuple[Key, ...] = ()
_SUBCLIENT = (
    Key(
        name="policy",
        label="Storage policy",
        help="Where its backup jobs belong.",
        shape="choice",
        among=names_at("policies"),
        is_kept=True,
    ),
    Key(
        name="landing",
        label="Landing directory",
        help="Others write backups here; they stay where they lie.",
        applies=_landing,
        is_kept=True,
    ),
    Key(
        name="pattern",
        label="Pattern",
        help="Each entry with such a name is one backup job: *.dump",
        default="*",
        applies=_landing,
        is_kept=True,
    ),
    Key(
        name="settle",
        label="Settled after",
        help="Untouched for so long before it is adopted: 5m by default.",
        default="5m",
        applies=_landing,
    ),
    Key(
        name="level",
        label="Level",
        help="What each backup job is; as usual: full where others write, else incremental.",
        shape="choice",
        words=("full", "incremental"),
        may_be_empty="as usual",
    ),
    Key(
        name="content",
        label="Content",
        help="Directories and files that auxtui backs up, by commas: /srv/www, /etc",
        shape="list",
        default=[],
        applies=_content,
        is_kept=True,
    ),
    Key(
        name="exclude",
        label="Exclude",
        help="Patterns that are left out, by commas: *.tmp, /srv/www/cache",
        shape="list",
        default=[],
        applies=_content,
    ),
)
_BACKUP = (
    Key(
        name="one_file_system",
        label="One file system",
        help="What is mounted below its content is left out.",
        shape="flag",
        default=True,
    ),
    Key(
        name="volume_size",
        label="Volume size",
        help="A backup is cut into files of this size, 1MiB to 64GiB; 1GiB by default.",
        default="1GiB",
    ),
    Key(
        name="compression_level",
        label="Compression level",
        help="Of zstd, 1 (fast) to 19 (small); 3 by default.",
        shape="number",
        default=3,
    ),
    Key(
        name="compression_threads",
        label="Compression threads",
        help="1 to 16; 1 by default.",
        shape="number",
        default=1,
    ),
    Key(
        name="shrunk_percent",
        label="Shrunk, %",
        help="When so much of its files or bytes is gone, data aging stops and asks.",
        shape="number",
        default=SHRUNK_PCT,
    ),
)
SUBCLIENT = (
    *_SUBCLIENT,
    *(replace(key, tab="Backup", applies=_content) for key in _BACKUP),
)
SCHEDULE = (
    Key(
        name="operation",
        label="Operation",
        help="What it starts.",
        shape="choice",
        words=("auxcopy", "backup", "verification", "aging", "scan"),
        default="auxcopy",
        is_kept=True,
    ),
    Key(
        name="policy",
        label="Storage policy",
        help="Which one it runs for.",
        shape="choice",
        among=names_at("policies"),
        may_be_empty="every policy",
    ),
    Key(
        name="when",
        label="When",
        help="daily at 22:00; weekly on fri at 22:00; every 30m; monthly on last friday ...",
        default="",
        is_kept=True,
    ),
    Key(name="time_zone", label="Time zone", help=ZONE_HELP),
    Key(
        name="enabled",
        label="Enabled",
        help="A disabled schedule starts nothing by itself.",
        shape="flag",
        default=True,
    ),
    Key(
        name="missed",
        label="A missed run is",
        help="What happens when the host was down at its time.",
        shape="choice",
        words=("start", "report"),
        default="start",
    ),
)
WINDOW = (
    Key(
        name="on",
        label="Holds on",
        help="commcell, media_agents.NAME, clients.NAME, clients.NAME.subclients.NAME",
        shape="list",
        default=[],
        is_kept=True,
    ),
    Key(
        name="do_not_run",
        label="Do not run",
        help="mon-fri 08:00-18:00; all 22:00-06:00; all 00:00-24:00 on 2026-12-24",
        shape="periods",
        default=[],
        is_kept=True,
    ),
    Key(
        name="operations",
        label="Operations",
        help="auxcopy, backup, verification, aging, restore, by commas; empty: all.",
        shape="list",
        default=[],
    ),
    Key(name="time_zone", label="Time zone", help=ZONE_HELP),
    Key(
        name="let_running_jobs_finish",
        label="Running jobs finish",
        help="Else they stop at a chunk boundary when it opens, and go on after it.",
        shape="flag",
        default=False,
    ),
    Key(
        name="do_not_submit",
        label="Do not submit",
        help="Scheduled runs that come due in it are skipped; those started by hand wait.",
        shape="flag",
        default=False,
    ),
    Key(
        name="ignore_higher_levels",
        label="Ignore higher levels",
        help="Windows of what is above these nodes do not count here.",
        shape="flag",
        default=False,
    ),
)
ALERT = (
    Key(
        name="on",
        label="Tells of",
        help="failed, succeeded, fallen-behind, missed, nothing-done, delayed; by commas.",
        shape="list",
        default=[],
        is_kept=True,
    ),
    Key(
        name="to",
        label="To",
        help="smtp://host:25/?to=a@example.org, https://host/hook, exec:/path/to/program",
        is_kept=True,
    ),
)
COMMCELL = (
    Key(name="name", label="Name", help="Of this installation.", default="commcell", is_kept=True),
    Key(name="time_zone", label="Time zone", help="IANA name: Europe/Berlin.", default="UTC",
        is_kept=True),
    Key(
        name="queue_conflicting_auxcopy_jobs",
        label="Queue conflicting runs",
        help="Else a run on a copy that another run is copying to is refused.",
        shape="flag",
        default=True,
    ),
    Key(
        name="auxcopy_not_pick_new_backups",
        label="Leave running backups",
        help="Without Scalable Resource Allocation: leaves backups that ran at the start.",
        shape="flag",
        default=False,
    ),
    Key(name="day_starts", label="A day starts at", help="For selective copies: 00:00.",
        default="00:00"),
    Key(
        name="week_starts",
        label="A week starts on",
        help="For selective copies: friday by default.",
        shape="choice",
        words=("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        default="friday",
    ),
    Key(name="month_starts", label="A month starts on day", help="1 to 28.", shape="number",
        default=1),
    Key(
        name="keep_history",
        label="Keep history",
        help="Jobs that have ended, and events, stay so long: 90d ...; never: all stay.",
        default="90d",
    ),
    Key(
        name="age_identity_files",
        label="Identity files",
        help="Files of keys for encrypted copies, mode 0600, by commas; never the keys.",
        shape="list",
        default=[],
    ),
    Key(
        name="yield_percent",
        label="Give way above",
        help="Percent of the time that others wait for disks or processors; 0: never.",
        shape="number",
        default=0,
    ),
    Key(name="behind_size", label="Fallen behind above", help="25TB ..., or never.",
        default="25TB"),
    Key(name="behind_age", label="or older than", help="14d ..., or never.", default="14d"),
    Key(name="behind_time", label="or longer than", help="48h of work at the past rate, or never.",
        default="2d"),
)  # fmt: skip

KEYS: dict[str, tuple[Key, ...]] = {
    "commcell": COMMCELL,
    "media_agent": MEDIA_AGENT,
    "library": LIBRARY,
    "policy": POLICY,
    "copy": COPY,
    "client": CLIENT,
    "subclient": SUBCLIENT,
    "schedule": SCHEDULE,
    "window": WINDOW,
    "alert": ALERT,
}
TABLES = {
    "media_agent": "media_agents",
    "library": "libraries",
    "policy": "policies",
    "client": "clients",
    "schedule": "schedules",
    "window": "windows",
    "alert": "alerts",
}
"""Kind of an item that stands in a table of its own -> that table."""
WORDS = {"media_agent": "MediaAgent", "commcell": "CommCell", "policy": "storage policy"}


def kind_word(kind: str) -> str:
    """A kind as people say it."""
    return WORDS.get(kind, kind)
