"""What the doctor looks at in policies and copies: the console's judgement, and what lies on the media."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from sqlmodel import Session

from auxtui import format as fmt
from auxtui.gates import gates
from auxtui.health import Grade, Trouble, troubles
from engine.catalog import config, landing, ledger
from engine.catalog.home import Home
from engine.catalog.live import LiveCatalog
from engine.catalog.values import CopyValue, Finding, LibraryValue, PolicyValue, SubclientValue
from engine.library import open_library
from engine.library.interface import Place
from engine.library.local_trying import can_share_blocks
from engine.model.clock import system_clock
from engine.model.errors import AuxError
from engine.model.names import shown
from engine.model.states import (
    INCOMPLETE,
    LAST_FAILED,
    CopyKind,
    JobCopyState,
    Severity,
    SubclientKind,
)
from engine.policy.zones import zone_of

_SEVERITY = {
    Grade.NOTE: Severity.INFO,
    Grade.WARNING: Severity.WARNING,
    Grade.ERROR: Severity.ERROR,
}


def examine_copies(home: Home, session: Session) -> Iterator[Finding]:
    """Policies, the job copies of each copy by the ledger, and whether their directories are there."""
    yield from _judged(home)
    commcell = config.commcell(session).uuid
    libraries = {library.id: library for library in config.libraries(session)}
    for policy in config.policies(session):
        for copy in config.copies(session, policy.id):
            yield from _of_ledger(session, policy, copy)
            library = libraries.get(copy.library_id or 0)
            if library is not None and copy.reflink:
                yield from _on_sharing(policy, copy, library)
            if library is not None and library.uuid and library.url.startswith("/"):
                yield from _on_media(session, policy, copy, library, commcell)


def examine_left(session: Session, subclient: SubclientValue) -> Iterator[Finding]:
    """Entries of a landing directory that are not adopted and will not be by waiting."""
    label = f"{shown(subclient.client)}/{shown(subclient.name)}"
    left = [o for o in landing.observations(session, subclient.id) if not o.fingerprint]
    links = [o for o in left if o.reason.startswith("it is ")]
    for seen, severity in ((links, Severity.INFO), ([o for o in left if o not in links], None)):
        if seen:
            first = f"{shown(seen[0].name)}: {seen[0].reason}"
            yield Finding(
                severity=severity or Severity.WARNING,
                what=f"subclient {label}: {_entries(len(seen))} left, not protected: {first}",
                hint=f"see to it, then look again: auxtui scan {label}",
            )


def examine_neighbours(
    libraries: Iterable[LibraryValue], subclients: Iterable[SubclientValue]
) -> Iterator[Finding]:
    """Local libraries that share a file system with what they are to protect."""
    places = [
        (f"the landing directory of {shown(sub.client)}/{shown(sub.name)}", sub.landing)
        for sub in subclients
        if sub.kind is SubclientKind.LANDING
    ]
    for library in libraries:
        device = _device(library.url) if library.url.startswith("/") else None
        if device is None:
            continue
        shared = [what for what, path in places if _device(path) == device]
        places.append((f"library {shown(library.name)}", library.url))
        if device == _device("/"):
            shared.append("this host's root directory")
        if shared:
            yield Finding(
                severity=Severity.INFO,
                what=f"library {shown(library.name)} lies on the same file system as "
                f"{', '.join(shared)}: one dead disk takes both",
                hint="give it a disk of its own, and mount it before the site file is applied",
            )


def _judged(home: Home) -> Iterator[Finding]:
    """What the console says of policies and copies, with the commands that help."""
    with LiveCatalog(home.catalog) as live:
        estate = live.estate()
        closed = gates(live, system_clock())
    copies = {c.id: f"{shown(c.policy)}/{shown(c.name)}" for p in estate.policies for c in p.copies}
    bad = {copy.id: copy.counts.of(JobCopyState.BAD) for p in estate.policies for copy in p.copies}
    for trouble in troubles(estate, None, gates=closed, zone=zone_of(estate.time_zone)):
        kind, key = trouble.node or ("", 0)
        if kind == "copy" and not (trouble.grade is Grade.ERROR and bad[key]):
            yield _finding(trouble, f"auxtui forecast; auxtui copies {copies[key]}")
        elif kind == "policy" and trouble.grade is Grade.ERROR:
            yield _finding(trouble, "its errors: auxtui job show ID; then run it again")
        elif trouble.command:
            yield _finding(trouble, trouble.command)


def _finding(trouble: Trouble, hint: str) -> Finding:
    return Finding(severity=_SEVERITY[trouble.grade], what=trouble.text, hint=hint)


def _of_ledger(session: Session, policy: PolicyValue, copy: CopyValue) -> Iterator[Finding]:
    name = f"{shown(policy.name)}/{shown(copy.name)}"
    bad = ledger.job_copies(session, copy.id, states=[JobCopyState.BAD])
    if bad:
        first = bad[-1]
        yield Finding(
            severity=Severity.ERROR,
            what=f"copy {name} has {fmt.count(len(bad), 'bad job copy')}, "
            f"the first {first.backup_job_id}: {shown(first.reason)}",
            hint=shown(first.next_step) or f"auxtui why {first.backup_job_id} {name}",
        )
    owed = (JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED)
    failed = [
        line
        for line in ledger.job_copies(session, copy.id, states=owed)
        if line.reason.startswith(LAST_FAILED)
    ]
    if failed and copy.kind is not CopyKind.PRIMARY:
        first = failed[-1]
        yield Finding(
            severity=Severity.WARNING,
            what=f"copy {name} lacks {fmt.count(len(failed), 'backup job')} that failed, "
            f"the first {first.backup_job_id}: {shown(first.reason)}",
            hint=shown(first.next_step),
        )
    lacking = ledger.count_incomplete(session, copy.id)
    if lacking:
        yield Finding(
            severity=Severity.WARNING,
            what=f"copy {name} has {fmt.count(lacking, 'incomplete backup job')}: "
            "something that lay there is no content and was left out",
            hint=f"auxtui copies {name} says what ({INCOMPLETE.strip(': ')})",
        )


def _on_media(
    session: Session, policy: PolicyValue, copy: CopyValue, library: LibraryValue, commcell: str
) -> Iterator[Finding]:
    try:
        opened = open_library(library.name, library.url, library.uuid, commcell)
        there = set(opened.published(Place(policy.name, copy.name)))
    except AuxError:
        return  # the look at the library itself has said so
    lines = ledger.job_copies(session, copy.id, states=[JobCopyState.AVAILABLE])
    own = _landing_jobs(session, policy) if copy.kind is CopyKind.PRIMARY else frozenset()
    gone = sorted(
        line.backup_job_id
        for line in lines
        if line.backup_job_id not in there and line.subclient_id not in own
    )
    if gone:
        yield Finding(
            severity=Severity.ERROR,
            what=f"copy {shown(policy.name)}/{shown(copy.name)}: {fmt.count(len(gone), 'backup job')}"
            f" said to be available not found in library {shown(library.name)}, "
            f"the first {gone[0]}",
            hint=f"auxtui verify {policy.name}/{copy.name} --all marks them bad; then auxtui repair",
        )


def _on_sharing(policy: PolicyValue, copy: CopyValue, library: LibraryValue) -> Iterator[Finding]:
    name = f"{shown(policy.name)}/{shown(copy.name)}"
    try:
        shares = can_share_blocks(library.url)
    except OSError:
        shares = False
    if shares:
        yield Finding(
            severity=Severity.INFO,
            what=f"copy {name} shares the blocks of large files with its source: one bad sector takes both",
            hint="it is a state to go back to; have another copy on another disk",
        )
    else:
        yield Finding(
            severity=Severity.WARNING,
            what=f"copy {name} is to share blocks with its source, and the file system of library"
            f" {shown(library.name)} cannot do that: it is copied as usual",
            hint="leave reflink out, or use XFS or Btrfs there",
        )


def _landing_jobs(session: Session, policy: PolicyValue) -> frozenset[int]:
    """Subclients whose backup jobs lie in a landing directory, not in the primary's library."""
    found = config.subclients(session, policy.id)
    return frozenset(sub.id for sub in found if sub.kind is SubclientKind.LANDING)


def _entries(number: int) -> str:
    return "1 entry is" if number == 1 else f"{number} entries are"


def _device(path: str) -> int | None:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None
