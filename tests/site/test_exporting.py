from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.model.states import CopyKind, SubclientKind
from engine.policy.backlog import BehindLimits
from engine.policy.periods import PERIOD_WORD
from engine.site.applying import apply_site
from engine.site.backup_keys import BackupKeys
from engine.site.configuration import (
    AlertItem,
    ClientItem,
    CommCellItem,
    Configuration,
    CopyItem,
    LibraryItem,
    MediaAgentItem,
    PolicyItem,
    ScheduleItem,
    SubclientItem,
    WindowItem,
)
from engine.site.diffing import difference
from engine.site.exporting import export_site, site_text
from engine.site.reading import read_site
from tests.site.conftest import NOW

EXAMPLE = """
[commcell]
name = "hq"
time_zone = "Europe/Berlin"
[media_agents.store1]
max_streams = 8
[libraries.fast]
url = "/mnt/fast"
[libraries.vault]
url = "/mnt/vault"
writers = 2
[clients.db1.subclients.pg]
policy = "databases"
landing = "/srv/pg"
pattern = "*.dump"
settle = "5m"
level = "full"
[clients.web1.subclients.content]
policy = "databases"
content = ["/srv/www"]
exclude = ["*.tmp"]
[policies.databases]
description = "PostgreSQL dumps"
[policies.databases.copies.primary]
library = "fast"
retain = "30d"
retain_cycles = 2
[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
retain = "90d"
defer = "0d"
compression = "none"
encrypt_to = []
throttle = "200MiB/s"
[policies.databases.copies.monthly]
kind = "selective"
select = "monthly"
take = "last"
source = "offsite"
library = "vault"
retain = "7y"
[windows.office]
on = ["media_agents.store1"]
operations = ["auxcopy"]
do_not_run = [{days = "mon-fri", from = "08:00", to = "18:00"}]
time_zone = "Europe/Berlin"
let_running_jobs_finish = false
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "Europe/Berlin"
[alerts.mail]
on = ["failed", "fallen-behind", "missed", "nothing-done"]
to = "smtp://localhost:25/?to=storage@example.org"
"""


def again(configuration: Configuration) -> Configuration:
    return read_site(site_text(configuration), "site.toml", implied_media_agent="host1")


def test_the_export_of_the_example_says_the_same():
    first = read_site(EXAMPLE, "site.toml", implied_media_agent="host1")

    found = difference(first, again(first))

    assert (found.added, found.changed, found.removed) == ([], [], [])


def test_what_is_as_by_default_is_left_out():
    first = read_site(EXAMPLE, "site.toml", implied_media_agent="host1")

    tables = tomllib.loads(site_text(first))

    assert tables["media_agents"] == {"store1": {"max_streams": 8}}
    assert tables["libraries"]["fast"] == {"url": "/mnt/fast", "media_agents": ["store1"]}
    assert tables["clients"]["db1"]["subclients"]["pg"] == {
        "policy": "databases",
        "landing": "/srv/pg",
        "pattern": "*.dump",
    }
    assert tables["policies"]["databases"]["copies"]["offsite"] == {
        "kind": "synchronous",
        "library": "vault",
        "retain": "90d",
        "throttle": "200MiB/s",
    }
    assert tables["schedules"]["nightly"] == {
        "operation": "auxcopy",
        "policy": "databases",
        "when": "daily at 22:00",
    }


def test_an_alert_for_jobs_that_name_it_alone_says_so():
    """Without it the export could not be read, and no form of the console could be applied."""
    told = '[commcell]\nname = "hq"\n[alerts.hook]\non = []\nto = "exec:///bin/true"\n'
    first = read_site(told, "site.toml", implied_media_agent="host1")
    assert "on = []" in site_text(first)
    assert again(first).alerts == first.alerts


def test_the_order_of_an_export_is_stable():
    first = read_site(EXAMPLE, "site.toml", implied_media_agent="host1")

    assert site_text(first) == site_text(again(first))


def test_exporting_and_applying_changes_nothing(tmp_path):
    text = EXAMPLE.replace("/mnt", str(tmp_path))
    with open_catalog(Home(tmp_path / "home"), create=True) as catalog:
        apply_site(catalog, text, "site.toml", dry_run=False, now=NOW)
        exported = export_site(catalog)

        changes = apply_site(catalog, exported, "exported.toml", dry_run=False, now=NOW)

        assert changes == []
        assert export_site(catalog) == exported
    with open_catalog(Home(tmp_path / "fresh"), create=True) as fresh:
        apply_site(fresh, exported, "exported.toml", dry_run=False, now=NOW)
        assert export_site(fresh) == exported


NAMES = st.from_regex(r"[A-Za-z0-9_-]([A-Za-z0-9 ._-]{0,6}[A-Za-z0-9._-])?", fullmatch=True).filter(
    lambda name: name != "primary"
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
).filter(lambda text: bool(text.strip()))
EXCLUDES = TEXTS.filter(lambda text: bool(text.strip("/")))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
SPANS = st.integers(0, 10**9)
RATES = st.integers(1, 2**50)
CLOCKS = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 11), st.integers(0, 59))
ENDS = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(12, 23), st.integers(0, 59))
DATES = st.dates(date(2026, 1, 1), date(2026, 6, 1)).map(str)
LATER = st.dates(date(2027, 1, 1), date(2027, 6, 1)).map(str)


@st.composite
def periods(draw, *, least: int = 0) -> list[dict[str, str]]:
    """Up to two periods that do not overlap."""
    days = draw(st.permutations(["mon-wed", "fri,sat"]))[: draw(st.integers(least, 2))]
    if len(days) == 1 and draw(st.booleans()):
        days = [None]
    made = []
    for day in days:
        row = {"from": draw(CLOCKS), "to": draw(ENDS)}
        if day is not None:
            row["days"] = day
        row |= draw(st.fixed_dictionaries({}, optional={"first_day": DATES, "last_day": LATER}))
        made.append(row)
    return made


SECONDS = st.integers(946_684_800, 2_208_988_800)  # 2000 to 2040
MOMENTS = SECONDS.map(lambda second: datetime.fromtimestamp(second, UTC))


def commcells(zone: str) -> st.SearchStrategy[CommCellItem]:
    return st.builds(
        CommCellItem,
        name=TEXTS,
        time_zone=st.just(zone),
        queue_conflicting_auxcopy_jobs=st.booleans(),
        auxcopy_not_pick_new_backups=st.booleans(),
        day_start_s=st.integers(0, 1439).map(lambda minute: 60 * minute),
        week_start=st.integers(0, 6),
        month_start_day=st.integers(1, 28),
        yield_percent=st.none() | st.integers(1, 99),
        behind=st.builds(
            BehindLimits,
            size_bytes=st.none() | RATES,
            age_s=st.none() | SPANS,
            time_s=st.none() | SPANS,
        ),
    )


@st.composite
def configurations(draw) -> Configuration:
    zone = draw(ZONES)
    made = Configuration(commcell=draw(commcells(zone)))
    for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        made.media_agents[name] = MediaAgentItem(
            name=name, time_zone=draw(ZONES), max_streams=draw(st.integers(1, 256))
        )
    agents = sorted(made.media_agents)
    for number, name in enumerate(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))):
        reaching = draw(st.lists(st.sampled_from(agents), min_size=1, unique=True))
        made.libraries[name] = LibraryItem(
            name=name,
            url=f"/libraries/{number}",
            media_agents=tuple(reaching),
            paths=tuple((agent, f"/ways/{number}") for agent in reaching if draw(st.booleans())),
            writers=draw(st.integers(1, 256)),
        )
    for name in draw(st.lists(NAMES, min_size=1, max_size=2, unique=True)):
        made.policies[name] = PolicyItem(name=name, description=draw(st.text(max_size=9)))
    _clients(draw, made)
    for policy in made.policies:
        _copies(draw, made, policy)
    _rules(draw, made)
    return made


def _clients(draw, made: Configuration) -> None:
    policies = st.sampled_from(sorted(made.policies))
    for client in draw(st.lists(NAMES, max_size=2, unique=True)):
        made.clients[client] = ClientItem(name=client)
        for name in draw(st.lists(NAMES, max_size=2, unique=True)):
            if draw(st.booleans()):
                item = SubclientItem(
                    client=client,
                    name=name,
                    policy=draw(policies),
                    kind=SubclientKind.LANDING,
                    landing=f"/landing/{len(made.subclients)}",
                    pattern=draw(TEXTS.filter(lambda text: "/" not in text)),
                    settle_s=draw(SPANS),
                    level=draw(st.sampled_from(["full", "incremental"])),
                )
            else:
                item = SubclientItem(
                    client=client,
                    name=name,
                    policy=draw(policies),
                    kind=SubclientKind.CONTENT,
                    content=("/a", "/b c"),
                    level=draw(st.sampled_from(["full", "incremental"])),
                    backup=BackupKeys(
                        exclude=tuple(draw(st.lists(EXCLUDES, max_size=2, unique=True))),
                        one_file_system=draw(st.booleans()),
                        volume_bytes=draw(st.integers(1, 64 * 1024)) * 1024**2,
                        compression_level=draw(st.integers(1, 19)),
                        compression_threads=draw(st.integers(1, 16)),
                        shrunk_pct=draw(st.integers(1, 100)),
                    ),
                )
            made.subclients[client, name] = item


def _copies(draw, made: Configuration, policy: str) -> None:
    libraries = sorted(made.libraries)
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    numbers = draw(st.permutations(range(1, len(names) + 2)))
    if draw(st.booleans()):
        numbers = list(range(1, len(names) + 2))
    primary = CopyItem(
        policy=policy,
        name="primary",
        kind=CopyKind.PRIMARY,
        precedence=numbers[0],
        library=draw(st.sampled_from(libraries)),
        **_kept(draw),
    )
    copies = [primary]
    for at, name in enumerate(names, start=1):
        selective = draw(st.booleans())
        rule = draw(st.sampled_from([*PERIOD_WORD, "all-fulls", "every-n-cycles", "manual"]))
        copies.append(
            CopyItem(
                policy=policy,
                name=name,
                kind=CopyKind.SELECTIVE if selective else CopyKind.SYNCHRONOUS,
                precedence=numbers[at],
                library=draw(st.sampled_from(libraries)),
                source=draw(st.sampled_from(["", *names[: at - 1]])),
                defer_s=draw(SPANS),
                on_and_after=draw(st.none() | MOMENTS),
                subclients=tuple(sub.label for sub in made.subclients_of(policy)[:1]),
                select_rule=rule if selective else "all-fulls",
                select_every=draw(st.integers(1, 99))
                if selective and rule == "every-n-cycles"
                else 1,
                take=draw(st.sampled_from(["first", "last"])) if selective else "first",
                compression=draw(st.sampled_from(["none", "zstd"])),
                encrypt_to=(RECIPIENT,) if draw(st.booleans()) else (),
                **_throttle(draw),
                **_kept(draw),
            )
        )
    for copy in sorted(copies, key=lambda copy: copy.precedence):
        made.copies[policy, copy.name] = copy


RECIPIENT = "age1gagawleskhnpzg0u4ey4clt3p3psc6tajsr0pun4prfaxuyjngxsjnlkyj"


def _kept(draw):
    retain_s = draw(st.none() | SPANS)
    return {
        "active": draw(st.booleans()),
        "retain_s": retain_s,
        "retain_cycles": draw(st.integers(1 if retain_s == 0 else 0, 99)),
        "worm": draw(st.booleans()),
        "extended": tuple(
            {"keep": keep, "retain_s": draw(SPANS)}
            for keep in draw(st.lists(st.sampled_from(["monthly", "yearly"]), max_size=2))
        ),
    }


def _throttle(draw):
    rows = []
    for row in draw(periods()):
        rate = draw(RATES)
        rows.append({**row, "limit": f"{rate}B/s", "limit_bps": rate})
    if rows:
        return {"throttle_timetable": tuple(rows)}
    return {"throttle_bps": draw(st.none() | RATES)}


def _rules(draw, made: Configuration) -> None:
    nodes = ["commcell", *(f"media_agents.{name}" for name in made.media_agents)]
    for name in draw(st.lists(NAMES, max_size=2, unique=True)):
        made.windows[name] = WindowItem(
            name=name,
            on_nodes=tuple(draw(st.lists(st.sampled_from(nodes), min_size=1, unique=True))),
            operations=tuple(
                draw(st.lists(st.sampled_from(["auxcopy", "aging"]), max_size=2, unique=True))
            ),
            do_not_run=tuple(draw(periods(least=1))),
            time_zone=draw(ZONES),
            let_running_jobs_finish=draw(st.booleans()),
            do_not_submit=draw(st.booleans()),
            ignore_higher_levels=draw(st.booleans()),
        )
    for name in draw(st.lists(NAMES, max_size=2, unique=True)):
        made.schedules[name] = ScheduleItem(
            name=name,
            operation="auxcopy",
            policy=min(made.policies),
            spec=draw(st.sampled_from(["daily at 22:00", "every 30m", "continuous"])),
            time_zone=draw(ZONES),
            enabled=draw(st.booleans()),
            options=draw(st.fixed_dictionaries({}, optional={"streams": st.integers(1, 256)})),
        )
    for name in draw(st.lists(NAMES, max_size=1, unique=True)):
        events = draw(st.sampled_from([(), ("failed",)]))  # none: for jobs that name it alone
        made.alerts[name] = AlertItem(name=name, on_events=events, to="https://h/hook")


@given(configurations())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_any_configuration_survives_export_and_reading(configuration):
    found = difference(configuration, again(configuration))

    assert (found.added, found.changed, found.removed) == ([], [], [])


@given(configurations())
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_configuration_survives_the_catalog(tmp_path_factory, configuration):
    root = tmp_path_factory.mktemp("any")
    (root / "libraries").mkdir()
    text = site_text(configuration).replace('"/libraries/', f'"{root}/libraries/')
    with open_catalog(Home(root / "home"), create=True) as catalog:
        apply_site(catalog, text, "site.toml", dry_run=False, now=NOW)
        exported = export_site(catalog)

        assert apply_site(catalog, exported, "exported", dry_run=False, now=NOW) == []
        assert apply_site(catalog, text, "site.toml", dry_run=False, now=NOW) == []
        assert export_site(catalog) == exported
