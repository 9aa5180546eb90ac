"""Which MediaAgents can move what: data paths, and the lanes in which a run copies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.model.errors import NotFoundError
from engine.model.states import LibraryState
from engine.operations.planning import Scope, agents_resource
from engine.policy.sharing import Claim, Share, share_streams
from engine.policy.streams import StreamLimits, StreamNumber, number_of_streams
from engine.policy.values import RunOptions

MOST_STREAMS = 64  # of one lane; what a transfer run takes


class Lane(NamedTuple):
    """Streams of one MediaAgent to the same libraries: each of its streams needs the same things."""

    media_agent: str
    libraries: frozenset[str]
    part: int
    """Tells the lanes of a run apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The MediaAgents that a run may use, and the libraries that each of them reaches."""

    streams: Mapping[str, int]
    """Of each MediaAgent that may be used."""
    writers: Mapping[str, int]
    paths: Mapping[str, tuple[str, ...]]
    """Library -> MediaAgents that reach it, the default first."""
    offline: Mapping[tuple[str, str], str]
    """Library and MediaAgent of paths that are not taken because they are offline, and why."""
    all_agents: str
    """The resource of which every stream takes one, whatever MediaAgent it is of."""

    @classmethod
    def of(
        cls,
        scope: Scope,
        options: RunOptions,
        *,
        offline: Mapping[tuple[int, str], str] | None = None,
    ) -> Routes:
        """The routes of a run: a data path that is offline is none, while another one leads there.

        Args:
            scope: configuration of the policy.
            options: of the run.
            offline: library id and MediaAgent of paths that are offline, with the reason; None: as
                the last look has found them.

        Raises:
            NotFoundError: there is no such MediaAgent.
        """
        named = dict(scope.agents.values())
        asked = options.source_media_agent
        if asked and asked not in named:
            raise NotFoundError(
                f"there is no MediaAgent {asked}", hint=f"known: {', '.join(sorted(named))}"
            )
        if offline is None:
            offline = _offline_paths(scope)
        paths: dict[str, tuple[str, ...]] = {}
        lost: dict[tuple[str, str], str] = {}
        for library in scope.libraries.values():
            mine = [
                scope.agents[path.media_agent_id][0]
                for path in scope.data_paths  # in order of their positions
                if path.library_id == library.id
            ]
            gone = {
                agent: offline[library.id, agent]
                for agent in mine
                if (library.id, agent) in offline
            }
            if len(gone) < len(mine):  # else the library is offline, which is said of it
                lost |= {(library.name, agent): reason for agent, reason in gone.items()}
                mine = [agent for agent in mine if agent not in gone]
            paths[library.name] = tuple(mine) or tuple(sorted(named))
        return cls(
            streams={asked: named[asked]} if asked else named,
            writers={library.name: library.writers for library in scope.libraries.values()},
            paths=paths,
            offline=lost,
            all_agents=agents_resource(scope, options),
        )

    def agents(self, libraries: Iterable[str]) -> tuple[str, ...]:
        """The MediaAgents that reach all of these libraries, in the order of the first one's paths."""
        usable: tuple[str, ...] | None = None
        for library in libraries:
            reaching = self.paths[library]
            usable = reaching if usable is None else tuple(a for a in usable if a in reaching)
        found = tuple(sorted(self.streams)) if usable is None else usable
        return tuple(agent for agent in found if agent in self.streams)

    def split(
        self,
        source: str,
        destinations: Sequence[tuple[int, str]],
        *,
        closed: Collection[str] = (),
    ) -> list[tuple[tuple[int, ...], frozenset[str], tuple[str, ...]]]:
        """Copies that one MediaAgent can write in one go, with their libraries and its likes.

        Args:
            source: library that is read; empty: a landing directory.
            destinations: copy ids with the names of their libraries.
            closed: MediaAgents that must not work now: what only they reach waits by itself.

        Returns:
            Groups of copies; one that nobody reaches has no MediaAgents.
        """
        begin = [source] if source else []
        groups: list[tuple[list[int], list[str]]] = []

        def is_open(libraries: Sequence[str]) -> bool:
            return not set(self.agents([*libraries, *begin])) <= set(closed)

        for copy_id, library in destinations:
            for copies, libraries in groups:
                together = [*libraries, library]
                if not self.agents([*together, *begin]):
                    continue
                if is_open(together) or not (is_open(libraries) or is_open([library])):
                    copies.append(copy_id)
                    libraries.append(library)
                    break
            else:
                groups.append(([copy_id], [library]))
        return [
            (tuple(copies), frozenset(libraries), self.agents([*libraries, *begin]))
            for copies, libraries in groups
        ]

    def why(self, source: str, libraries: Iterable[str], agents: Sequence[str]) -> str:
        """Why copies go through these MediaAgents, for an administrator.

        Args:
            source: library that is read; empty: a landing directory.
            libraries: that are written.
            agents: those that reach all of them, the default one first.
        """
        needed = [*([source] if source else []), *sorted(libraries)]
        offline = [
            f"not {agent}: {reason}"
            for (library, agent), reason in self.offline.items()
            if library in needed and agent in self.streams
        ]
        chosen = f"no MediaAgent reaches {' and '.join(needed)} now"
        if agents:
            first, *others = agents
            more = f", or {' or '.join(others)} where it has streams free" if others else ""
            chosen = f"MediaAgent {first}{more}"
        return "; ".join([chosen, *dict.fromkeys(offline)])

    def claim(self, lane: Lane, *, job_id: int, priority: int, wanted: int) -> Claim:
        """What a lane asks of the stream pool."""
        resources = {
            f"MediaAgent {lane.media_agent}",
            self.all_agents,
            job_resource(job_id),
            *(f"library {name}" for name in lane.libraries),
        }
        return Claim(job_id, priority, wanted, frozenset(resources), lane.part)

    def limits(self, job_id: int, of_job: int) -> dict[str, int]:
        """How many streams each resource of a run allows.

        Args:
            of_job: streams that the run can use in all.
        """
        return {
            **{f"MediaAgent {name}": streams for name, streams in self.streams.items()},
            self.all_agents: sum(self.streams.values()),
            **{f"library {name}": writers for name, writers in self.writers.items()},
            job_resource(job_id): of_job,
        }


def _offline_paths(scope: Scope) -> dict[tuple[int, str], str]:
    """Library id and MediaAgent of the paths that were offline at the last look, and why."""
    return {
        (path.library_id, scope.agents[path.media_agent_id][0]): path.state_reason
        for path in scope.data_paths
        if path.state == LibraryState.OFFLINE
    }


def job_resource(job_id: int) -> str:
    """The resource that keeps a run from taking more streams than it can use."""
    return f"job {job_id}"


def streams_of_work(options: RunOptions, backup_jobs: int, bytes_to_copy: int) -> StreamNumber:
    """As many streams as a run can use, whatever the host has."""
    return number_of_streams(
        StreamLimits(asked=options.streams, backup_jobs=backup_jobs, bytes_to_copy=bytes_to_copy)
    )


def explained(
    shares: Iterable[Share], limits: Mapping[str, int], of_work: StreamNumber, job_id: int
) -> list[tuple[str, str]]:
    """The resources that bind, each with a sentence for an administrator."""
    found: dict[str, str] = {}
    for share in shares:
        resource = share.limited_by
        if resource == job_resource(job_id):
            found[resource] = of_work.limited_by
        elif resource:
            unit = "writer" if resource.startswith("library ") else "stream"
            number = limits[resource]
            found[resource] = f"{resource}: {number} {unit}{'' if number == 1 else 's'}"
    return list(found.items())


def idle_streams(routes: Routes, lanes: Sequence[Lane], of_work: StreamNumber) -> StreamNumber:
    """The streams of a run on a host that does nothing else, and the limits that bind."""
    limits = routes.limits(0, of_work.streams)
    claims = [routes.claim(lane, job_id=0, priority=5, wanted=MOST_STREAMS) for lane in lanes]
    shares = share_streams(claims, limits).values()
    why = [sentence for _, sentence in explained(shares, limits, of_work, 0)]
    total = sum(share.streams for share in shares)
    return StreamNumber(total, "; ".join(why) or of_work.limited_by)
