"""Scan: each settled entry of a landing directory becomes a backup job where it lies.

Nothing is ever written there. Absence never means deleted: a landing directory that is missing,
is another file system than before or is suddenly empty is offline, and nothing is concluded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiofiles.os
from sqlmodel import Session

from engine.catalog import config, jobs, landing, ledger
from engine.catalog.events import add_event
from engine.catalog.home import Home
from engine.catalog.lines import primary_copy_id
from engine.catalog.values import BackupJobValue, SubclientValue
from engine.library.landing import (
    CANNOT_BE_COPIED,
    LandingScan,
    SeenEntry,
    look_at_landing,
    settled,
)
from engine.library.manifest import has_digests, load_manifest, save_manifest
from engine.model.clock import Clock
from engine.model.entries import ManifestHeader
from engine.model.errors import LibraryOffline, NotFoundError
from engine.model.names import shown
from engine.model.states import (
    INCOMPLETE,
    JobCopyState,
    Level,
    LibraryState,
    Severity,
    SubclientKind,
)
from engine.operations.deciding import settle_policy
from engine.operations.landings import kept_fingerprint, look_of
from engine.operations.sizes import policy_name, tell_size
from engine.operations.store import Store


@dataclass(slots=True)
class ScanResult:
    """What a scan did and why it left what it left; names are already made inert."""

    adopted: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)
    bad: list[dict[str, Any]] = field(default_factory=list)
    offline: list[dict[str, Any]] = field(default_factory=list)
    policies: set[int] = field(default_factory=set)
    """Whose ledger has changed."""


@dataclass(frozen=True, slots=True)
class Known:
    """The backup job that stands for a name in a landing directory, until it is bad or gone."""

    job: BackupJobValue
    state: JobCopyState


async def scan_policy_landings(
    store: Store, home: Home, clock: Clock, *, only: str | None = None, accept: bool = False
) -> dict[str, Any]:
    """Scans landing subclients; returns what was adopted, left, found bad or offline.

    Args:
        only: `client/subclient`; None: all.
        accept: take the landing directory as it is now, even on another file system.

    Raises:
        NotFoundError: there is no such landing subclient.
    """
    subclients = await store.read(lambda s: _landing_subclients(s, only))
    result = ScanResult()
    for subclient in subclients:
        async with store.scanning:
            await _scan_one(store, home, clock, subclient.id, result, accept=accept)
    if result.policies:
        now = clock()

        def settle(session: Session) -> None:
            for policy in config.policies(session):
                if policy.id in result.policies:
                    settle_policy(session, policy.name, now)

        await store.write(settle)
    return {
        "adopted": result.adopted,
        "left": result.left,
        "bad": result.bad,
        "offline": result.offline,
    }


def _landing_subclients(session: Session, only: str | None) -> list[SubclientValue]:
    every = config.subclients(session)
    found = [value for value in every if value.kind == SubclientKind.LANDING]
    if only is None:
        return found
    named = [value for value in found if f"{value.client}/{value.name}" == only]
    if not named:
        names = ", ".join(sorted(f"{value.client}/{value.name}" for value in found))
        raise NotFoundError(
            f"there is no landing subclient {only}", hint=f"known: {names or 'none'}"
        )
    return named


async def _scan_one(
    store: Store,
    home: Home,
    clock: Clock,
    subclient_id: int,
    result: ScanResult,
    *,
    accept: bool,
) -> None:
    found = await store.read(lambda s: _as_it_is(s, subclient_id))
    if found is None:
        return  # a configuration took it out while other subclients were scanned
    subclient, known = found
    had_jobs = any(line.state == JobCopyState.AVAILABLE for line in known.values())
    try:
        seen = await aiofiles.os.wrap(look_at_landing)(
            os.fsencode(subclient.landing),
            subclient.pattern,
            identity={} if accept else subclient.landing_identity,
            expects_entries=had_jobs and not accept,
        )
    except LibraryOffline as err:
        await _offline(store, clock, subclient, err, result)
        return
    now = clock()
    await store.write(
        lambda s: _Settling(s, home, subclient, known, result, now).settle(seen),
    )


def _as_it_is(
    session: Session, subclient_id: int
) -> tuple[SubclientValue, dict[bytes, Known]] | None:
    """A subclient, and what is known of its landing directory, after the scans before this one."""
    for subclient in _landing_subclients(session, None):
        if subclient.id == subclient_id:
            return subclient, _known(session, subclient)
    return None


def _known(session: Session, subclient: SubclientValue) -> dict[bytes, Known]:
    """The newest backup job of each name, with its state on the primary."""
    primary = primary_copy_id(session, subclient.policy_id)
    states = {line.backup_job_id: line.state for line in ledger.job_copies(session, primary)}
    newest: dict[bytes, Known] = {}
    for job in ledger.backup_jobs_of(session, subclient.id):
        before = newest.get(job.name)
        if before is None or before.job.id < job.id:
            newest[job.name] = Known(job, JobCopyState(states.get(job.id, JobCopyState.BAD)))
    return newest


async def _offline(
    store: Store, clock: Clock, subclient: SubclientValue, error: LibraryOffline, result: ScanResult
) -> None:
    now = clock()
    name = f"{subclient.client}/{subclient.name}"
    result.offline.append({"subclient": name, "reason": error.message, "hint": error.hint})

    def write(session: Session) -> None:
        config.set_subclient_state(session, subclient.id, LibraryState.OFFLINE, error.message, now)
        if subclient.state != LibraryState.OFFLINE:
            add_event(
                session,
                severity=Severity.ERROR,
                code="landing.offline",
                message=f"the landing directory of {name} is offline: {error.message}",
                about=name,
                hint=error.hint,
                policy=policy_name(session, subclient.policy_id),
                now=now,
            )

    await store.write(write)


class _Settling:
    """One transaction: what was seen in one landing directory becomes what the catalog knows."""

    def __init__(
        self,
        session: Session,
        home: Home,
        subclient: SubclientValue,
        known: dict[bytes, Known],
        result: ScanResult,
        now: datetime,
    ) -> None:
        self.session = session
        self.home = home
        self.subclient = subclient
        self.known = known
        self.result = result
        self.now = now
        self.name = f"{subclient.client}/{subclient.name}"
        self.primary = primary_copy_id(session, subclient.policy_id)
        self.left: list[tuple[bytes, str]] = []

    def settle(self, seen: LandingScan) -> None:
        """Adopts what has settled, leaves what has not, names what is no longer what it was."""
        config.set_subclient_state(
            self.session,
            self.subclient.id,
            LibraryState.ONLINE,
            "",
            self.now,
            landing_identity=seen.identity,
        )
        if self.subclient.state == LibraryState.OFFLINE:
            add_event(
                self.session,
                severity=Severity.INFO,
                code="landing.online",
                message=f"the landing directory of {self.name} is online again",
                about=self.name,
                now=self.now,
            )
        self.left = seen.left
        for name, reason in seen.left:
            self._leave(name, reason)
        for entry in sorted(seen.entries, key=lambda entry: (entry.newest_mtime_ns, entry.name)):
            self._entry(entry)
        here = {entry.name for entry in seen.entries} | {name for name, _ in seen.left}
        for name, known in self.known.items():
            if name not in here and known.state == JobCopyState.AVAILABLE:
                self._gone(name, known)
        waiting = {o.name for o in landing.observations(self.session, self.subclient.id)}
        gone = waiting - here
        landing.forget_observations(self.session, self.subclient.id, gone)

    def _entry(self, entry: SeenEntry) -> None:
        known = self.known.get(entry.name)
        if known is not None and look_of(known.job.fingerprint) == entry.fingerprint:
            self._same(entry, known)
            return
        if known is not None and known.state == JobCopyState.AVAILABLE:
            self._changed(entry, known)
        observed = landing.observe(
            self.session, self.subclient.id, entry.name, entry.fingerprint, "", self.now
        )
        wait = settled(
            now=self.now,
            newest_change_ns=entry.newest_change_ns,
            settle_s=self.subclient.settle_s,
            first_seen_at=observed.first_seen_at,
        )
        if wait:
            self._leave(entry.name, wait, fingerprint=entry.fingerprint)
            return
        self._adopt(entry)

    def _same(self, entry: SeenEntry, known: Known) -> None:
        """Only attributes changed, if anything: what was hashed is proved by its digests, what
        was not is adopted anew in its place, so that its journals are not trusted. What is aged
        stays so when it comes back, and its manifest may be gone."""
        job = known.job
        kept = kept_fingerprint(entry)
        if job.fingerprint == kept or known.state == JobCopyState.AGED:
            return
        header, entries = load_manifest(self.home.manifest(job.id))
        if has_digests(entries):
            return
        save_manifest(self.home.manifest(job.id), header, entry.entries)
        ledger.set_fingerprint(self.session, job.id, kept)
        if known.state == JobCopyState.BAD:
            ledger.set_state(
                self.session,
                self.primary,
                job.id,
                JobCopyState.AVAILABLE,
                self._lacks(entry),
                now=self.now,
            )
            self.result.policies.add(self.subclient.policy_id)

    def _leave(self, name: bytes, reason: str, *, fingerprint: str = "") -> None:
        self.result.left.append({"subclient": self.name, "name": shown(name), "reason": reason})
        landing.observe(self.session, self.subclient.id, name, fingerprint, reason, self.now)

    def _parts_left(self, entry: SeenEntry) -> list[tuple[bytes, str]]:
        return [(name, why) for name, why in self.left if name.startswith(entry.name + b"/")]

    def _lacks(self, entry: SeenEntry) -> str:
        """What the ledger says of an entry that is adopted without something; empty: of a whole one."""
        parts = self._parts_left(entry)
        if not parts:
            return ""
        kinds = ", ".join(sorted({why.removesuffix(CANNOT_BE_COPIED) for _, why in parts}))
        number = "1 entry" if len(parts) == 1 else f"{len(parts)} entries"
        return f"{INCOMPLETE}{number} left out ({kinds})"

    def _say_parts(self, entry: SeenEntry, job_id: int) -> None:
        """Parts of an adopted entry that cannot be copied, by name: in the event log."""
        parts = self._parts_left(entry)
        if not parts:
            return
        name, why = parts[0]
        more = f", and {len(parts) - 1} more" if len(parts) > 1 else ""
        add_event(
            self.session,
            severity=Severity.WARNING,
            code="landing.incomplete",
            message=f"backup job {job_id} ({self.name}, {shown(entry.name)}) is without "
            f"{shown(name)}: {why}{more}",
            now=self.now,
        )

    def _adopt(self, entry: SeenEntry) -> None:
        job_id = jobs.next_id(self.session)
        completed = datetime.fromtimestamp(entry.newest_mtime_ns / 1e9, UTC)
        started = datetime.fromtimestamp(entry.oldest_mtime_ns / 1e9, UTC)
        level = Level(self.subclient.level)
        cycle = self._cycle(level)
        cell = config.commcell(self.session)
        policy = next(p for p in config.policies(self.session) if p.id == self.subclient.policy_id)
        header = ManifestHeader(
            backup_job_id=job_id,
            commcell_id=cell.uuid,
            commcell=cell.name,
            policy=policy.name,
            client=self.subclient.client,
            subclient=self.subclient.name,
            level=level,
            kind=SubclientKind.LANDING,
            started_at=started.isoformat(),
            completed_at=completed.isoformat(),
            adopted_at=self.now.isoformat(),
            name=entry.name,
            cycle=cycle,
        )
        # The manifest is durable before the catalog knows the job; an orphan is overwritten.
        save_manifest(self.home.manifest(job_id), header, entry.entries)
        ledger.add_backup_job(
            self.session,
            id=job_id,
            subclient_id=self.subclient.id,
            policy_id=self.subclient.policy_id,
            level=level,
            name=entry.name,
            fingerprint=kept_fingerprint(entry),
            cycle=cycle,
            started_at=started,
            completed_at=completed,
            adopted_at=self.now,
            size_bytes=entry.size_bytes,
            files=entry.files,
            chunks=entry.chunks,
            reason=self._lacks(entry),
        )
        landing.forget_observations(self.session, self.subclient.id, [entry.name])
        self._say_parts(entry, job_id)
        tell_size(self.session, self.subclient, job_id, self.now)
        self.result.policies.add(self.subclient.policy_id)
        self.result.adopted.append(
            {
                "backup_job_id": job_id,
                "subclient": self.name,
                "name": shown(entry.name),
                "bytes": entry.size_bytes,
                "files": entry.files,
            }
        )

    def _cycle(self, level: Level) -> int:
        newest = ledger.newest_cycle(self.session, self.subclient.id)
        return newest + 1 if level is Level.FULL or newest == 0 else newest

    def _changed(self, entry: SeenEntry, known: Known) -> None:
        size = known.job.size_bytes
        detail = f"size {size} -> {entry.size_bytes}" if size != entry.size_bytes else "its times"
        self._bad(entry.name, known, f"changed after adoption: {detail}")

    def _gone(self, name: bytes, known: Known) -> None:
        """Its owner rotated it away. That is normal once every copy has it, and a loss before."""
        lines = ledger.copies_of(self.session, known.job.id)
        owed = [
            line
            for line in lines
            if line.copy_id != self.primary
            and line.state in (JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED)
        ]
        if owed or len(lines) == 1:
            self._bad(name, known, "gone from the landing directory before it was copied")
            return
        ledger.set_state(
            self.session,
            self.primary,
            known.job.id,
            JobCopyState.AGED,
            "its owner took it out of the landing directory",
            now=self.now,
        )
        self.result.policies.add(self.subclient.policy_id)

    def _bad(self, name: bytes, known: Known, reason: str) -> None:
        self.result.bad.append(
            {
                "backup_job_id": known.job.id,
                "subclient": self.name,
                "name": shown(name),
                "reason": reason,
            }
        )
        ledger.set_state(
            self.session,
            self.primary,
            known.job.id,
            JobCopyState.BAD,
            reason,
            "the copies that have it are the only ones left; "
            "where it is still owed, mark it do not copy",
            now=self.now,
        )
        add_event(
            self.session,
            severity=Severity.WARNING,
            code="landing.bad",
            message=f"backup job {known.job.id} ({self.name}, {shown(name)}): {reason}",
            about=self.name,
            policy=policy_name(self.session, self.subclient.policy_id),
            now=self.now,
        )
        self.result.policies.add(self.subclient.policy_id)
