"""How many streams a run gets, and which limit says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.model.entries import MIN_CHUNK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Everything that limits the streams of one run."""

    asked: int | None = None
    """What the run asks for; None: the maximum."""
    media_agents: Mapping[str, int] = field(default_factory=dict)
    """Streams that each usable MediaAgent has free; they add up."""
    libraries: Mapping[str, int] = field(default_factory=dict)
    """Writers that each destination library has free. A stream may write to all: the least counts."""
    source_libraries: Mapping[str, int] = field(default_factory=dict)
    """Readers that each limited source library has free; empty: not limited. They add up."""
    backup_jobs: int = 0
    """Backup jobs to copy."""
    bytes_to_copy: int = 0
    chunks: int | None = None
    """Chunks to copy where it is known; else estimated from the bytes."""


class StreamNumber(NamedTuple):
    """The number of streams, and the limit that binds."""

    streams: int
    limited_by: str
    """A sentence for an administrator; names the limit and its value."""


class StreamLimit(NamedTuple):
    """One limit, as the explanation lists it."""

    streams: int
    what: str


def number_of_streams(limits: StreamLimits) -> StreamNumber:
    """The least of every limit, and the one that binds; 0 when one of them allows none."""
    listed = stream_limits(limits)
    return (
        StreamNumber(listed[0].streams, listed[0].what) if listed else StreamNumber(1, "no limit")
    )


def stream_limits(limits: StreamLimits) -> list[StreamLimit]:
    """Every limit, the one that binds first; among equals what an administrator can change first."""
    listed: list[StreamLimit] = []
    if limits.asked is not None:
        listed.append(StreamLimit(limits.asked, f"asked for: {limits.asked}"))
    if limits.media_agents:
        listed.append(_summed("MediaAgent", "MediaAgents", limits.media_agents, "streams"))
    listed += [
        StreamLimit(writers, f"library {name}: {_count(writers, 'writers')}")
        for name, writers in sorted(limits.libraries.items())
    ]
    if limits.source_libraries:
        listed.append(
            _summed("source library", "source libraries", limits.source_libraries, "readers")
        )
    listed.append(_work(limits))
    return sorted(listed, key=lambda limit: limit.streams)


def _summed(one: str, many: str, limits: Mapping[str, int], unit: str) -> StreamLimit:
    total, names = sum(limits.values()), ", ".join(sorted(limits))
    word = one if len(limits) == 1 else many
    return StreamLimit(total, f"{word} {names}: {_count(total, unit)}")


def _work(limits: StreamLimits) -> StreamLimit:
    """No more streams than pieces: a small backup job is at least one, a large file is many."""
    jobs = limits.backup_jobs
    if jobs == 0:
        return StreamLimit(0, "nothing to copy")
    chunks = limits.chunks
    if chunks is None:
        chunks = -(-limits.bytes_to_copy // MIN_CHUNK_BYTES)
    if chunks <= jobs:
        return StreamLimit(jobs, f"{_count(jobs, 'backup jobs')} to copy")
    return StreamLimit(chunks, f"{_count(chunks, 'chunks')} to copy")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit[:-1] if number == 1 else unit}"
