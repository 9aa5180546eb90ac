"""What a node of the tree holds, as columns, rows and facts; pure.

Lists that may be long (backup jobs of a copy or a subclient) are not here: the screen pages them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from auxtui import columns as col
from auxtui import format as fmt
from auxtui import tree
from auxtui.contents_of_libraries import libraries, library_contents
from auxtui.gates import Gate
from auxtui.health import Trouble
from auxtui.inert import safe
from auxtui.initiation import next_run_facts
from auxtui.nodes import keys_by_node
from auxtui.present import (
    Cell,
    Fact,
    Look,
    Row,
    Tone,
    copy_row,
    copy_state,
    job_sign,
    library_row,
    library_state,
    short_word,
    word,
)
from auxtui.reports import Contents as Contents
from auxtui.reports import report
from auxtui.rule_rows import (
    agent_facts,
    agent_row,
    gate_row,
    schedule_head,
    schedule_row,
    window_facts,
    window_row,
)
from auxtui.trend import standing_facts
from engine.catalog.live_values import (
    Estate,
    LiveClient,
    LiveCopy,
    LiveLibrary,
    LiveMediaAgent,
    LivePolicy,
    LiveSubclient,
)
from engine.catalog.rule_values import ScheduleValue, WindowValue
from engine.catalog.watch_values import AlarmValue
from engine.model.encoding import encoding_of
from engine.model.states import CopyKind, JobCopyState, JobState, SubclientKind

Thing = (
    LiveClient
    | LiveSubclient
    | LivePolicy
    | LiveCopy
    | LiveLibrary
    | LiveMediaAgent
    | ScheduleValue
    | WindowValue
)


def find(estate: Estate, key: tree.Key) -> Thing | None:
    """The thing that a key of the tree names; None for groups and for what is gone."""
    kind, number = key
    things: dict[str, Sequence[Thing]] = {
        "client": estate.clients,
        "subclient": [sub for client in estate.clients for sub in client.subclients],
        "policy": estate.policies,
        "copy": estate.copies(),
        "library": estate.libraries,
        "agent": estate.media_agents,
        "schedule": estate.schedules,
        "window": estate.windows,
    }
    return next((thing for thing in things.get(kind, ()) if thing.id == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What of the moment some contents show."""

    gates: tuple[Gate, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    alarms: tuple[AlarmValue, ...] = ()
    streams_in_use: Mapping[str, int] = field(default_factory=dict)


def contents_of(
    key: tree.Key, estate: Estate, look: Look, moment: Moment | None = None
) -> Contents:
    """What a node holds."""
    now = moment or Moment()
    thing = find(estate, key)
    if isinstance(thing, LivePolicy):
        return _policy(thing, look)
    if isinstance(thing, LiveCopy):
        return _copy(thing, look)
    if isinstance(thing, LiveClient):
        return _client(thing, look)
    if isinstance(thing, LiveSubclient):
        return _subclient(thing, look)
    if isinstance(thing, LiveLibrary):
        return library_contents(thing, estate, look)
    if isinstance(thing, LiveMediaAgent):
        return _agent(thing, estate, look, now)
    if isinstance(thing, ScheduleValue):
        return _schedule(thing, estate, look)
    if isinstance(thing, WindowValue):
        return _window(thing, estate, look, now)
    if key[0] in ("report", "reports"):
        return report(key, estate, look, now.troubles, now.alarms)
    groups: dict[tree.Key, Callable[[Estate, Look], Contents]] = {
        tree.CLIENTS: _clients,
        tree.LIBRARIES: libraries,
        tree.STORAGE: libraries,
        tree.AGENTS: lambda estate, look: _agents(estate, look, now),
        tree.SCHEDULES: _schedules,
        tree.WINDOWS: _windows,
        tree.POLICIES: _policies,
        tree.POLICY_GROUP: _policies,
    }
    return groups.get(key, _commcell)(estate, look)


def _commcell(estate: Estate, look: Look) -> Contents:
    return Contents(
        columns=col.COPIES,
        rows=[
            copy_row(copy, look, with_policy=True)
            for copy in estate.copies()
            if copy.kind != CopyKind.PRIMARY
        ],
        facts=[("Secondary copies", Cell("what each still owes, and since when", Tone.MUTED))],
        empty="no secondary copies yet: m on a storage policy has New Copy",
    )


def _policies(estate: Estate, look: Look) -> Contents:
    return Contents(
        columns=col.POLICIES,
        rows=[_policy_row(policy, look) for policy in estate.policies],
        empty="no storage policies yet: n makes one; or `auxtui apply FILE.toml`",
    )


def _policy_row(policy: LivePolicy, look: Look) -> Row:
    states = [copy_state(copy, look) for copy in policy.copies if copy.kind != CopyKind.PRIMARY]
    order = (Tone.BAD, Tone.WARN, Tone.RUN, Tone.OK, Tone.MUTED)
    worst = min(states, key=lambda c: order.index(c.tone), default=Cell("no copies", Tone.WARN))
    owed = sum(copy.counts.owed_bytes for copy in policy.copies)
    return Row(
        ("policy", policy.id),
        (
            Cell(safe(policy.name)),
            worst,
            Cell(str(len(policy.copies))),
            Cell(fmt.size(owed) if owed else "-"),
            last_run(policy, look),
            Cell(str(policy.subclients)),
            Cell(safe(policy.description), Tone.MUTED),
        ),
    )


def last_run(policy: LivePolicy, look: Look) -> Cell:
    """The last finished run of a policy."""
    if policy.last_run is None:
        return Cell("never ran", Tone.MUTED)
    job_id, state, _ = policy.last_run
    tone = {JobState.COMPLETED: Tone.OK, JobState.FAILED: Tone.BAD}.get(JobState(state), Tone.WARN)
    return Cell(f"{job_sign(state, look.glyphs)} {job_id} {short_word(state)}", tone)


def _policy(policy: LivePolicy, look: Look) -> Contents:
    facts: list[Fact] = [
        ("Policy", Cell(safe(policy.name), Tone.STRONG)),
        ("Subclients", Cell(str(policy.subclients))),
        ("Last run", last_run(policy, look)),
    ]
    if policy.description:
        facts.insert(1, ("For", Cell(safe(policy.description))))
    return Contents(
        columns=col.COPIES,
        rows=[copy_row(copy, look, with_policy=False) for copy in policy.copies],
        facts=facts,
        empty="this policy has no copies",
    )


def copy_rule(copy: LiveCopy) -> str:
    """Which backup jobs a copy takes, in words."""
    if copy.kind == CopyKind.PRIMARY:
        return "every backup job of the policy's subclients"
    if copy.kind == CopyKind.SYNCHRONOUS:
        text = "every valid backup job"
    else:
        every = f" {copy.select_every}" if copy.select_every > 1 else ""
        text = f"{copy.take} full of: {copy.select_rule}{every}"
    if copy.defer_s:
        text += f", {fmt.span(copy.defer_s)} after it is on the source"
    if copy.on_and_after:
        text += f", from {copy.on_and_after:%Y-%m-%d} on"
    return text


def _copy(copy: LiveCopy, look: Look) -> Contents:
    return Contents(
        columns=col.LEDGER,
        facts=copy_facts(copy, look),
        empty="no backup job has come to this copy yet",
        paged=True,
    )


def copy_facts(copy: LiveCopy, look: Look) -> list[Fact]:
    """A copy in a few lines: is it well, what it is, what it owes."""
    counts = copy.counts
    owed = f"{counts.owed:,} owed, {fmt.size(counts.owed_bytes)}" if counts.owed else "nothing owed"
    others = (JobCopyState.DEFERRED, JobCopyState.DO_NOT_COPY, JobCopyState.BAD)
    numbers = [
        f"{counts.of(JobCopyState.AVAILABLE):,} available",
        owed,
        *(f"{counts.of(state):,} {word(state)}" for state in others if counts.of(state)),
    ]
    place = safe(copy.library) or "the landing directories"
    source = f" from {safe(copy.source)}" if copy.source else ""
    cycles = f" and {fmt.count(copy.retain_cycles, 'cycle')}" if copy.retain_cycles else ""
    longer = "".join(
        f", {safe(keep.removesuffix('-fulls'))} fulls {fmt.span(seconds)}"
        for keep, seconds in copy.extended
    )
    limit = f"; throttle {fmt.limit(copy.throttle_bps)}" if copy.throttle_bps else ""
    encoding = encoding_of(copy.compression, copy.encrypt_to)
    encoded = "" if encoding.is_plain else f"; {encoding}"
    if copy.reflink:
        encoded = "; shares blocks with its source, no second copy"
    return [
        (f"{safe(copy.policy)} / {safe(copy.name)}", copy_state(copy, look)),
        ("Holds", Cell(", ".join(numbers))),
        ("Is", Cell(f"{safe(copy.kind)}{source} to {place}; keeps {fmt.span(copy.retain_s)}{cycles}{longer}{encoded}{limit}")),
        ("Takes", Cell(copy_rule(copy))),
        *standing_facts(copy, look),
    ]  # fmt: skip


def _clients(estate: Estate, look: Look) -> Contents:
    return Contents(
        columns=col.CLIENTS,
        rows=[_client_row(client, look) for client in estate.clients],
        empty="no clients yet: n makes one; or `auxtui apply FILE.toml`",
    )


def _client_row(client: LiveClient, look: Look) -> Row:
    offline = [sub for sub in client.subclients if sub.state == "offline"]
    state = (
        Cell(f"{look.glyphs.failed} {len(offline)} offline", Tone.BAD)
        if offline
        else Cell(f"{look.glyphs.done} reachable", Tone.OK)
    )
    names = ", ".join(sub.name for sub in client.subclients)
    return Row(("client", client.id), (Cell(safe(client.name)), state, Cell(safe(names))))


def _client(client: LiveClient, look: Look) -> Contents:
    return Contents(
        columns=col.SUBCLIENTS,
        rows=[_subclient_row(sub, look) for sub in client.subclients],
        empty="this client has no subclients",
    )


def _subclient_row(sub: LiveSubclient, look: Look) -> Row:
    return Row(
        ("subclient", sub.id),
        (
            Cell(safe(sub.name)),
            library_state(sub.state, look),
            Cell(safe(sub.policy)),
            Cell(safe(sub.landing)),
            Cell(safe(sub.pattern), Tone.MUTED),
            Cell(look.time(sub.scanned_at)),
            Cell(safe(sub.state_reason)),
        ),
    )


def _subclient(sub: LiveSubclient, look: Look) -> Contents:
    state = library_state(sub.state, look)
    reason = f": {safe(sub.state_reason)}" if sub.state_reason else ""
    facts: list[Fact] = [
        (f"{safe(sub.client)}/{safe(sub.name)}", Cell(f"{state.text}{reason}", state.tone)),
        ("Policy", Cell(safe(sub.policy))),
    ]
    if sub.kind == SubclientKind.LANDING:
        what = f"adopts {safe(sub.pattern)} in {safe(sub.landing)}, untouched for {fmt.span(sub.settle_s)}"
        facts += [
            ("Landing", Cell(what)),
            ("Last scan", Cell(f"{look.time(sub.scanned_at)}; c scans now")),
        ]
        empty = "nothing has been adopted yet; c scans now"
    else:
        facts.append(("Backup", Cell(f"{safe(sub.level)} by itself; B backs up now")))
        empty = "nothing has been backed up yet; B backs up now"
    return Contents(
        columns=col.BACKUP_JOBS,
        facts=facts,
        empty=empty,
        paged=True,
    )


def _agents(estate: Estate, look: Look, now: Moment) -> Contents:
    return Contents(
        columns=col.AGENTS,
        rows=[
            agent_row(agent, now.gates, now.streams_in_use, look) for agent in estate.media_agents
        ],
        empty="no MediaAgents yet: n makes one; or `auxtui apply FILE.toml`",
    )


def _agent(agent: LiveMediaAgent, estate: Estate, look: Look, now: Moment) -> Contents:
    libraries = [lib for lib in estate.libraries if agent.name in lib.media_agents]
    return Contents(
        columns=col.LIBRARIES,
        rows=[library_row(library, look) for library in libraries],
        facts=agent_facts(agent, now.gates, now.streams_in_use, look),
        empty="no data path: this MediaAgent reaches no library",
    )


def _schedules(estate: Estate, look: Look) -> Contents:
    return Contents(
        columns=col.SCHEDULES,
        rows=[schedule_row(schedule, estate, look) for schedule in estate.schedules],
        empty="no schedules yet: the service makes its own when it starts first (S)",
    )


def _schedule(schedule: ScheduleValue, estate: Estate, look: Look) -> Contents:
    return Contents(
        columns=col.HISTORY,
        facts=[*schedule_head(schedule, estate, look), *next_run_facts(schedule, look)],
        empty="it has started no job yet",
        paged=True,
    )


def _windows(estate: Estate, look: Look) -> Contents:
    return Contents(
        columns=col.WINDOWS,
        rows=[window_row(window, look) for window in estate.windows],
        empty="no operation windows: operations may run at any time",
    )


def _window(window: WindowValue, estate: Estate, look: Look, now: Moment) -> Contents:
    keys = keys_by_node(estate)
    return Contents(
        columns=col.NODES,
        rows=[
            gate_row(node, keys.get(node, (node, 0)), now.gates, look) for node in window.on_nodes
        ],
        facts=window_facts(window, look),
    )
