"""A catalog file with something of everything, as the service would leave it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlmodel import Session, SQLModel, create_engine

from engine.catalog import tables as t
from engine.catalog.revision import HEAD, VERSION_TABLE

NOW = datetime(2026, 3, 14, 3, 0, 0, tzinfo=UTC)
GIB = 1024**3
_TAIL = "\u202ehi\u6f22\u5b57\u0301\u0301\U0001f469\u200d\U0001f52c"
HOSTILE_TEXT = f"[/red]x\x1b]0;owned\x07[@click=app.quit]{_TAIL}"
HOSTILE = b"[/red]x\x1b]0;owned\x07[@click=app.quit]\xff\n" + _TAIL.encode().ljust(200, b"x")
"""With what is before it as long as a name may be: markup, escapes, wide, combining, right to left."""


def make_catalog(path: Path, *, now: datetime = NOW, hostile: bool = False) -> Path:
    """Creates the file with every table and the sample rows.

    Args:
        path: where; must not exist.
        now: what the clock shows while it is looked at.
        hostile: give things names that try to break the screen.
    """
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
    SQLModel.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(
            text(f"INSERT INTO {VERSION_TABLE} VALUES (:head)"),  # noqa: S608 - a constant
            {"head": HEAD},
        )
    bad = HOSTILE_TEXT if hostile else ""
    with Session(engine) as session:
        _configure(session, now, bad)
        _rules(session, now, bad)
        session.commit()
        _backups(session, now, HOSTILE if hostile else b"")
        _jobs(session, now, bad)
        _trend(session, now, bad)
        _alarms(session, now, bad)
        session.commit()
    engine.dispose()
    return path


def without_landing(path: Path) -> None:
    """Makes every subclient of a sample catalog one with content: copies can be promoted then."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE subclient SET kind = 'content'"))
    engine.dispose()


def _configure(s: Session, now: datetime, bad: str) -> None:
    s.add(t.CommCell(uuid="c0", name=f"hq{bad}", time_zone="Europe/Berlin", created_at=now))
    s.add(t.IdSequence(next_id=1000))
    s.add(t.MediaAgent(id=1, name=f"store1{bad}", time_zone="Europe/Berlin", max_streams=4))
    s.add(t.MediaAgent(id=2, name="store2", max_streams=2))
    s.add(
        t.Library(
            id=1,
            name="fast",
            url="/mnt/fast",
            uuid="f",
            state="online",
            free_bytes=420 * GIB,
            total_bytes=1000 * GIB,
            checked_at=now,
        )
    )
    s.add(
        t.Library(
            id=2,
            name=f"vault{bad}",
            url=f"/mnt/vault{bad}",
            uuid="v",
            state="offline",
            state_reason=f"no marker at /mnt/vault: the disk is not mounted{bad}",
            checked_at=now - timedelta(minutes=2),
        )
    )
    s.add(t.StoragePolicy(id=1, name=f"databases{bad}", description=f"PostgreSQL dumps{bad}"))
    s.add(t.StoragePolicy(id=2, name="web", description=""))
    s.add(t.Client(id=1, name=f"db1{bad}"))
    s.add(t.Client(id=2, name="web1"))
    s.commit()
    for library, agent, position in ((1, 1, 0), (1, 2, 1), (2, 1, 0)):
        s.add(t.DataPath(library_id=library, media_agent_id=agent, position=position))
    s.add(
        t.PolicyCopy(
            id=1, policy_id=1, name="primary", kind="primary", precedence=1, retain_s=30 * 86400
        )
    )
    s.add(
        t.PolicyCopy(
            id=2,
            policy_id=1,
            name=f"offsite{bad}",
            kind="synchronous",
            library_id=1,
            precedence=2,
            retain_s=90 * 86400,
            throttle_bps=200 * 1024**2,
        )
    )
    s.add(
        t.PolicyCopy(
            id=3,
            policy_id=1,
            name="monthly",
            kind="selective",
            library_id=2,
            precedence=3,
            select_rule="monthly",
            take="last",
            source_copy_id=2,
        )
    )
    s.add(
        t.PolicyCopy(id=4, policy_id=2, name="primary", kind="primary", precedence=1, library_id=1)
    )
    s.add(
        t.PolicyCopy(
            id=5, policy_id=2, name="second", kind="synchronous", library_id=1, precedence=2
        )
    )
    s.add(
        t.Subclient(
            id=1,
            client_id=1,
            name=f"pg{bad}",
            policy_id=1,
            kind="landing",
            landing=f"/mnt/fast/pg{bad}",
            pattern="*.dump",
            state="online",
            scanned_at=now - timedelta(minutes=4),
        )
    )
    s.add(
        t.Subclient(
            id=2,
            client_id=2,
            name="content",
            policy_id=2,
            kind="landing",
            landing="/srv/www",
            state="offline",
            state_reason="/srv/www is another file system than before",
            scanned_at=now - timedelta(hours=3),
        )
    )


def _rules(s: Session, now: datetime, bad: str) -> None:
    nightly = {"operation": "auxcopy", "policy_id": 1, "time_zone": "Europe/Berlin"}
    s.add(
        t.Schedule(
            id=1,
            name=f"nightly{bad}",
            **nightly,
            spec="daily at 22:00",
            options={"streams": 2},
            next_run_at=now + timedelta(hours=18),
            last_run_at=now - timedelta(hours=6),
        )
    )
    s.add(t.Schedule(id=2, name="weekend", **nightly, spec="weekly on sat at 06:00", enabled=False))
    s.add(
        t.Schedule(
            id=3,
            name="system",
            operation="auxcopy",
            spec="automatic",
            time_zone="Europe/Berlin",
            start_missed=False,
            next_run_at=now + timedelta(minutes=20),
        )
    )
    s.add(
        t.OperationWindow(
            id=1,
            name=f"night{bad}",
            on_nodes=["media_agents.store2"],
            operations=["auxcopy"],
            do_not_run=[{"days": "all", "from": "02:00", "to": "05:00"}],
        )
    )
    s.add(
        t.OperationWindow(
            id=2,
            name="office",
            on_nodes=["commcell"],
            do_not_run=[{"days": "mon-fri", "from": "08:00", "to": "18:00"}],
            time_zone="Europe/Berlin",
            let_running_jobs_finish=True,
        )
    )
    s.add(
        t.Activity(
            node="clients.web1",
            off_until=now + timedelta(hours=5),
            by=f"root@hq{bad}",
            at=now - timedelta(hours=1),
        )
    )


def _trend(s: Session, now: datetime, bad: str) -> None:
    for copy_id, behind in ((2, True), (3, False), (5, False)):
        s.add(
            t.CopyStanding(
                copy_id=copy_id,
                at=now,
                owed_jobs=8,
                owed_bytes=7 * GIB,
                behind_since=now - timedelta(hours=3) if behind else None,
                behind_reasons=[f"the oldest is owed for 15 days, more than 14{bad}"] * behind,
                rate_bps=90 * 1024**2,
                income_bps=1024**2,
                caught_up_at=now + timedelta(hours=9),
                earliest_at=now + timedelta(hours=7),
                latest_at=now + timedelta(hours=30),
                is_known=True,
                forecast=f"caught up Saturday 13:00{bad}",
            )
        )
        for number in range(48):
            s.add(
                t.CopySample(
                    copy_id=copy_id,
                    slot=number,
                    at=now - timedelta(minutes=30 * (48 - number)),
                    held_jobs=number,
                    held_bytes=number * GIB // 4,
                    owed_jobs=48 - number,
                    owed_bytes=(60 - number) * GIB // 3,
                    copied_bytes=(number % 5) * GIB // 4,
                    seconds=1800,
                )
            )


def _alarms(s: Session, now: datetime, bad: str) -> None:
    s.add(
        t.Alarm(
            kind="library-offline",
            cause=f"library-offline vault{bad}",
            about=f"vault{bad}",
            severity="error",
            message=f"library vault is offline{bad}",
            hint="mount /mnt/vault",
            first_at=now - timedelta(hours=2),
            last_at=now,
        )
    )
    s.add(
        t.Alert(
            name=f"oncall{bad}",
            on_events=["failed", "missed"],
            to="smtp://mail.example.org:25/?to=oncall@example.org",
        )
    )
    sent = now - timedelta(hours=2)
    for state, error in (("sent", ""), ("waiting", f"mail.example.org refused it{bad}")):
        s.add(
            t.AlertMessage(
                alert=f"oncall{bad}",
                step="raised",
                content={"message": f"library vault is offline{bad}"},
                state=state,
                filed_at=sent,
                next_try_at=now,
                tries=1 if state == "sent" else 3,
                sent_at=sent if state == "sent" else None,
                error=error,
            )
        )


def _backups(s: Session, now: datetime, bad: bytes) -> None:
    states = (
        ("available", "", ""),
        ("available", "", ""),
        ("partially_copied", "41 of 64 chunks are copied", "job 905 copies it now"),
        ("to_be_copied", "waits for its turn", "job 905 takes it"),
        ("deferred", "the copy defers by 2 days", "eligible 2026-03-16 03:00 UTC"),
        ("do_not_copy", "an operator said so: root@hq", ""),
        ("bad", "digest differs in pg/base.tar", "`auxtui recopy` copies it anew"),
        ("aged", "older than 90 days", ""),
    )
    for number in range(40):
        job_id = 100 + number
        ended = now - timedelta(hours=40 - number)
        s.add(
            t.BackupJob(
                id=job_id,
                subclient_id=1,
                policy_id=1,
                level="full" if number % 4 == 0 else "incremental",
                name=b"pg-%d.dump" % number + bad,
                fingerprint="f",
                cycle=number // 4,
                started_at=ended - timedelta(minutes=9),
                completed_at=ended,
                adopted_at=ended,
                size_bytes=GIB * (number % 7 + 1) // 3,
                files=1,
                chunks=64,
            )
        )
        s.add(t.JobCopy(copy_id=1, backup_job_id=job_id, state="available", copied_at=ended))
        state, reason, step = states[number % len(states)] if number > 20 else states[0]
        s.add(
            t.JobCopy(
                copy_id=2,
                backup_job_id=job_id,
                state=state,
                reason=reason,
                next_step=step,
                chunks_done={"available": 64, "partially_copied": 41}.get(state, 0),
                copied_at=ended + timedelta(hours=1) if state == "available" else None,
                copied_by_job=901 if state == "available" else None,
            )
        )
        if number % 4 == 0:
            s.add(
                t.JobCopy(
                    copy_id=3,
                    backup_job_id=job_id,
                    state="to_be_copied",
                    reason="library vault is offline",
                    next_step="mount /mnt/vault; the next run takes it",
                )
            )


def _jobs(s: Session, now: datetime, bad: str) -> None:
    done = {
        "operation": "auxcopy",
        "policy_id": 1,
        "policy": f"databases{bad}",
        "initiated_by": "root@hq",
    }
    s.add(
        t.Job(
            id=901,
            **done,
            copies=["offsite"],
            state="completed",
            phase="done",
            created_at=now - timedelta(hours=9),
            started_at=now - timedelta(hours=9),
            ended_at=now - timedelta(hours=8),
            updated_at=now,
            backup_jobs_total=20,
            backup_jobs_done=20,
            bytes_total=25 * GIB,
            bytes_done=25 * GIB,
            attempts=1,
        )
    )
    s.add(
        t.Job(
            id=902,
            **{**done, "policy_id": 2, "policy": "web"},
            copies=["second"],
            state="completed_with_errors",
            phase="done",
            reason="1 of 3 backup jobs failed",
            created_at=now - timedelta(hours=2),
            started_at=now - timedelta(hours=2),
            ended_at=now - timedelta(minutes=3),
            updated_at=now,
            backup_jobs_total=3,
            backup_jobs_done=2,
            backup_jobs_failed=1,
            bytes_total=3 * GIB,
            bytes_done=2 * GIB,
            attempts=3,
            errors=1,
        )
    )
    s.add(
        t.Job(
            id=905,
            **done,
            copies=[f"offsite{bad}", "monthly"],
            state="running",
            phase="copy",
            description=f"before the move{bad}",
            created_at=now - timedelta(minutes=20),
            started_at=now - timedelta(minutes=19),
            updated_at=now,
            backup_jobs_total=12,
            backup_jobs_done=5,
            backup_jobs_failed=1,
            bytes_total=10 * GIB,
            bytes_done=int(4.2 * GIB),
            bytes_per_second=180 * 1024**2,
            seconds_left=33,
            streams=2,
            streams_limited_by="MediaAgent store2 allows 2 streams",
            attempts=1,
            errors=1,
        )
    )
    s.add(
        t.Job(
            id=906,
            **{**done, "policy": "web", "policy_id": 2},
            copies=["second"],
            state="suspended",
            reason=f"suspended by root@hq{bad}",
            desired="suspend",
            created_at=now - timedelta(minutes=7),
            updated_at=now,
            bytes_total=GIB,
        )
    )
    for number in range(2):
        s.add(
            t.StreamRow(
                job_id=905,
                number=number + 1,
                state="copying" if number else "throttled",
                backup_job_id=123,
                media_agent="store1",
                copies="offsite",
                path=f"pg/base.tar{bad}",
                file_bytes=GIB,
                file_bytes_done=GIB // (3 - number),
                bytes_done=GIB,
                bytes_per_second=90 * 1024**2,
            )
        )
    s.add(t.Attempt(job_id=905, number=1, started_at=now - timedelta(minutes=19)))
    s.add(
        t.JobError(
            job_id=905,
            at=now - timedelta(minutes=5),
            backup_job_id=127,
            copy_name="offsite",
            path=f"pg/base.tar{bad}",
            error=f"cannot read pg/base.tar: Input/output error{bad}",
            hint=f"look at the disk of /mnt/fast (`dmesg`), then resubmit{bad}",
        )
    )
    for number in range(12):
        s.add(
            t.RateSample(
                job_id=905, at=now - timedelta(minutes=19 - number), bytes_done=number * GIB // 3
            )
        )
    for number, (severity, code, job_id, message) in enumerate(
        (
            ("info", "service.started", None, "service started"),
            ("info", "job.started", 905, "job 905 started: auxiliary copy of databases"),
            ("error", "library.offline", None, f"library vault is offline{bad}"),
            ("warning", "job.error", 905, f"backup job 127: cannot read pg/base.tar{bad}"),
        )
    ):
        s.add(
            t.Event(
                at=now - timedelta(minutes=20 - number),
                severity=severity,
                code=code,
                job_id=job_id,
                message=message,
            )
        )
    s.add(
        t.JobItem(
            job_id=905,
            backup_job_id=120,
            copy_id=2,
            outcome="copied",
            size_bytes=GIB,
            seconds=12.5,
            ended_at=now - timedelta(minutes=9),
        )
    )
    s.add(
        t.ServiceRow(
            epoch=3,
            pid=4711,
            host=f"hq{bad}",
            version="0.1.0",
            state="running",
            started_at=now - timedelta(days=2),
            heartbeat_at=now,
        )
    )


def grow_ledger(
    path: Path, *, rows: int, copy_id: int = 2, like: int = 100, state: str = "to_be_copied"
) -> None:
    """Adds backup jobs to one copy, quickly: copies of the rows of one, `like`, with other ids."""
    engine = create_engine(f"sqlite:///{path}")
    numbers = f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})"  # noqa: S608
    changed = {
        "backup_job": {"id": "n + 10000", "name": "CAST('dump-' || n AS BLOB)", "size_bytes": "n"},
        "job_copy": {"backup_job_id": "n + 10000", "state": f"'{state}'", "reason": "'waits'"},
    }
    only = {
        "backup_job": f"id = {like}",
        "job_copy": f"backup_job_id = {like} AND copy_id = {copy_id}",
    }
    with engine.begin() as connection:
        for table, values in changed.items():
            names = [column.name for column in SQLModel.metadata.tables[table].columns]
            chosen = ", ".join(values.get(name, name) for name in names)
            connection.exec_driver_sql(
                f"{numbers} INSERT INTO {table} ({', '.join(names)})"  # noqa: S608 - names of the schema
                f" SELECT {chosen} FROM {table}, n WHERE {only[table]}"
            )
    engine.dispose()
