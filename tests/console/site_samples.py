"""A site file with one item of each kind, and the ways to its items in the console."""

from __future__ import annotations

from tests.console.driving import sees

POLICY = ["j", "j", "j", "j"]
OFFSITE = [*POLICY, "l", "j", "j"]
PLACE = ("policies", "databases", "copies", "offsite")
WHOLE = """
[commcell]
name = "hq"
time_zone = "Europe/Berlin"
[media_agents.store1]
[libraries.vault]
url = "/mnt/vault"
[clients.db1.subclients.pg]
policy = "databases"
landing = "/land"
pattern = "*.dump"
settle = "10m"
[clients.web1.subclients.content]
policy = "databases"
content = ["/srv/www", "/etc"]
exclude = ["*.tmp"]
[policies.databases]
description = "dumps"
[policies.databases.copies.primary]
library = "vault"
retain = "30d"
[policies.databases.copies.offsite]
kind = "selective"
library = "vault"
select = "every-n-cycles"
every = 3
take = "last"
retain = "90d"
retain_cycles = 2
worm = true
extended = [{keep = "monthly", retain = "1y"}, {keep = "yearly", retain = "7y"}]
throttle = [{days = "mon-fri", from = "08:00", to = "18:00", limit = "50MiB/s"}]
subclients = ["db1/pg"]
on_and_after = "2026-01-31"
verify = "within 30d"
fuse_jobs = 5
[windows.office]
on = ["commcell"]
do_not_run = [{days = "mon-fri", from = "08:00", to = "18:00"}, {days = "all", from = "20:00", to = "24:00", first_day = "2026-12-24", last_day = "2026-12-24"}]
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
options = {copies = ["offsite"], streams = 2}
[alerts.mail]
on = ["failed"]
to = "smtp://localhost:25/?to=a@example.org"
"""


async def ready(pilot, *texts):
    """Waits for a form."""
    await sees(pilot, "f3", *texts)
