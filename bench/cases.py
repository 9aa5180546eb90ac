"""The cases of the comparison: what is copied, with which cache, against whom, and what is aimed at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.harness import MIB, Program, Sample, Workload, reported, timed
from bench.material import Files, make_files

AUXTUI = "auxtui"
TWICE, TWICE_COLD = "cp, twice", "cp, twice, none cached"
CP, RSYNC, RCLONE, FIO, B3SUM = "cp", "rsync --fsync", "rclone", "fio, the limit", "b3sum"


class Aim(NamedTuple):
    """How a program shall stand against another one; all of it are ratios of medians."""

    against: str
    least: float
    """Speed: seconds of the other / ours. CPU: ours / seconds of the other, and at most this."""
    is_cpu: bool = False


class Shape(NamedTuple):
    """How much is copied."""

    large_bytes: int
    """Of all large files together."""
    small_files: int
    """Ten of eleven have 4 KiB, the others 64 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One comparison."""

    name: str
    title: str
    cache: str
    make: Callable[[Path, Shape], Workload]
    programs: Callable[[int], list[Program]]
    """Given the streams of the engine; the first is what the others are measured against."""
    aims: tuple[Aim, ...]

    @property
    def is_small(self) -> bool:
        """True for many small files: what was copied is deleted at the end of all cases."""
        return self.make is _small_files


FULL = Shape(8 * 1024 * MIB, 110_000)
SHORT = Shape(8 * MIB, 110)


def engine(streams: int, copies: int = 1, name: str = AUXTUI) -> Program:
    """The engine: listing, hashing, journal, sync, manifest and publication included."""

    def run(source: Path, target: Path) -> Sample:
        targets = [str(target / f"library-{number}") for number in range(copies)]
        for each in targets:
            Path(each).mkdir()
        module = ["-m", "bench.engine_copy", str(source), *targets, "--streams", str(streams)]
        return reported([sys.executable, *module])

    return Program(name=name, needs=sys.executable, run=run)


def _cp(source: Path, target: Path) -> Sample:
    return timed(["cp", "-a", str(source), str(target)], ["sync", "-f", str(target)])


def _cp_twice(source: Path, target: Path) -> Sample:
    places = [target / "one", target / "two"]
    return timed(
        *(["cp", "-a", str(source), str(place)] for place in places), ["sync", "-f", str(target)]
    )


def _cp_twice_cold(source: Path, target: Path) -> Sample:
    """As with a source that is larger than the page cache: the second one reads it from the disk too."""
    drop = ["dd", "iflag=nocache", "count=0", "status=none"]  # drops the pages of one file
    drop = ["find", str(source), "-type", "f", "-exec", *drop, "if={}", ";"]
    copies = [["cp", "-a", str(source), str(target / name)] for name in ("one", "two")]
    return timed(copies[0], drop, copies[1], ["sync", "-f", str(target)])


def _rsync(source: Path, target: Path) -> Sample:
    return timed(["rsync", "-a", "--whole-file", "--fsync", str(source), str(target)])


def _rclone(*options: str) -> Program:
    def run(source: Path, target: Path) -> Sample:
        copy = ["rclone", "copy", "--quiet", *options, str(source), str(target)]
        return timed(copy, ["sync", "-f", str(target)])

    return Program(name=RCLONE, needs="rclone", run=run)


def _fio(source: Path, target: Path) -> Sample:
    """Reads the source and writes as much, both at once, direct: what the device gives a copy."""
    files = [path for path in sorted(source.rglob("*")) if path.is_file()]
    total = str(sum(path.stat().st_size for path in files))
    common = ["--direct=1", "--bs=4M", "--ioengine=libaio", "--iodepth=4", "--thread"]
    names = ":".join(
        str(path.relative_to(source)) for path in files
    )  # it takes 4,096 bytes of them
    reads = ["--name=read", "--rw=read", f"--directory={source}", f"--filename={names}"]
    reads.append(f"--size={total}")
    writes = ["--name=write", "--rw=write", f"--filename={target / 'out'}", f"--size={total}"]
    return timed(["fio", *common, *reads, *writes, "--end_fsync=1"], ["sync", "-f", str(target)])


def _b3sum(source: Path, _: Path) -> Sample:
    files = [str(path) for path in sorted(source.rglob("data/**/*")) if path.is_file()]
    return timed(["b3sum", *files])


def _verify(streams: int) -> Program:
    def run(source: Path, _: Path) -> Sample:
        module = ["-m", "bench.engine_verify", str(source), "--streams", str(streams)]
        return reported([sys.executable, *module])

    return Program(name=AUXTUI, needs=sys.executable, run=run)


def _copiers(streams: int) -> list[Program]:
    return [
        Program(name=CP, needs="cp", run=_cp),
        engine(streams),
        Program(name=RSYNC, needs="rsync", run=_rsync),
        _rclone(),
    ]


def _cold_copiers(streams: int) -> list[Program]:
    return [*_copiers(streams), Program(name=FIO, needs="fio", run=_fio)]


def _small_copiers(streams: int) -> list[Program]:
    return [*_copiers(streams)[:3], _rclone("--transfers", "16")]


def _fan_out(streams: int) -> list[Program]:
    return [
        Program(name=TWICE, needs="cp", run=_cp_twice),
        engine(streams, copies=2),
        Program(name=TWICE_COLD, needs="cp", run=_cp_twice_cold),
    ]


def _verifiers(streams: int) -> list[Program]:
    return [Program(name=B3SUM, needs="b3sum", run=_b3sum), _verify(streams)]


def _one_file(root: Path, shape: Shape) -> Workload:
    return make_files(root, "one file", [Files(1, shape.large_bytes)])


def _many_files(root: Path, shape: Shape) -> Workload:
    return make_files(root, "64 files", [Files(64, shape.large_bytes // 64)])


def _small_files(root: Path, shape: Shape) -> Workload:
    ones = shape.small_files // 11
    return make_files(root, "small files", [Files(ones * 10, 4096), Files(ones, 65536)])


def _job_copy(root: Path, shape: Shape) -> Workload:
    """A published job copy of one file."""
    plain = _one_file(root, shape)
    library = root / "job-copy"
    library.mkdir()
    engine(2).run(plain.source, library)
    (copied,) = library.iterdir()
    return Workload(name="a job copy", size_bytes=plain.size_bytes, files=1, source=copied)


_AGAINST_ALL = (Aim(RSYNC, 2.5), Aim(RCLONE, 4.0), Aim(CP, 0.9, is_cpu=True))
_COLD = (Aim(CP, 1.25), Aim(FIO, 0.9), *_AGAINST_ALL)
_WARM = (Aim(CP, 1.0), *_AGAINST_ALL)
_TWO = (Aim(TWICE, 1.5), Aim(TWICE_COLD, 1.5))
_SMALL = (Aim(CP, 1.0), Aim(RSYNC, 3.0), Aim(RCLONE, 5.0))


def _case(
    name: str,
    title: str,
    cache: str,
    make: Callable[[Path, Shape], Workload],
    programs: Callable[[int], list[Program]],
    aims: tuple[Aim, ...],
) -> Case:
    return Case(name=name, title=title, cache=cache, make=make, programs=programs, aims=aims)


CASES = {
    case.name: case
    for case in (
        _case("one-cold", "one large file", "cold", _one_file, _cold_copiers, _COLD),
        _case("one-warm", "one large file", "warm", _one_file, _copiers, _WARM),
        _case("many-cold", "64 large files", "cold", _many_files, _cold_copiers, _COLD),
        _case("many-warm", "64 large files", "warm", _many_files, _copiers, _WARM),
        _case("small-cold", "small files", "cold", _small_files, _small_copiers, _SMALL),
        _case("small-warm", "small files", "warm", _small_files, _small_copiers, _SMALL),
        _case("fan-out", "one read, two copies", "cold", _one_file, _fan_out, _TWO),
        _case("verify", "verification", "cold", _job_copy, _verifiers, (Aim(B3SUM, 1.0),)),
    )
}
MOST_MEMORY_MIB = 256
