"""What else runs on the host is measured while the copies hold still, and they give way to it."""

from pathlib import Path

import pytest

from engine.control import controller
from engine.control.service import service_here
from engine.operations.courtesy import (
    LEAST_HOLD_S,
    PERIOD_S,
    SETTLE_S,
    Courtesy,
    Waited,
    read_waited,
)
from engine.transfer.cancel import CancelToken
from engine.transfer.throttle import Throttle
from tests.cell import Cell


class Host:
    """A clock, the kernel's counters, and whether the copies held still while time went by."""

    def __init__(self, throttle: Throttle) -> None:
        self.now_s = 0.0
        self.io_us = self.cpu_us = 0.0
        self.others = 0.0
        """Share of the time in which something else waits for a disk."""
        self.has_psi = True
        self.held_s = self.free_s = 0.0
        self._throttle = throttle

    def read(self) -> Waited | None:
        return Waited(int(self.io_us), int(self.cpu_us)) if self.has_psi else None

    async def sleep(self, seconds: float) -> None:
        is_held = self._throttle._is_held
        self.now_s += seconds
        self.held_s += seconds * is_held
        self.free_s += seconds * (not is_held)
        # A copy waits for its disk all the time; that must not count.
        self.io_us += 1e6 * seconds * (self.others if is_held else 1.0)

    def courtesy(self) -> Courtesy:
        return Courtesy(self.read, clock=lambda: self.now_s, sleep=self.sleep)


@pytest.fixture
def throttle() -> Throttle:
    return Throttle()


@pytest.fixture
def host(throttle: Throttle) -> Host:
    return Host(throttle)


def write_psi(directory: Path, io_us: int, cpu_us: int) -> None:
    for name, total in (("io", io_us), ("cpu", cpu_us)):
        lines = [
            f"{kind} avg10=0.00 avg60=0.00 avg300=0.00 total={count}\n"
            for kind, count in (("some", total), ("full", 7))
        ]
        (directory / name).write_text("".join(lines))


def test_the_counters_of_the_kernel_are_read(tmp_path: Path):
    write_psi(tmp_path, 1_511_066_184, 42)

    assert read_waited(tmp_path) == Waited(1_511_066_184, 42)


@pytest.mark.parametrize(
    "text", ["", "full avg10=0.00 total=7\n", "some nonsense\n", "some total=x\n"]
)
def test_a_kernel_without_pressure_is_no_error(tmp_path: Path, text: str):
    assert read_waited(tmp_path / "nothing") is None
    for name in ("io", "cpu"):
        (tmp_path / name).write_text(text)
    assert read_waited(tmp_path) is None


async def test_what_the_copies_wait_for_themselves_does_not_count(host: Host, throttle: Throttle):
    courtesy = host.courtesy()
    courtesy.join(7, throttle)

    for _ in range(3):
        await courtesy.turn(20)

    assert courtesy.reason == ""
    assert host.held_s == pytest.approx(3 * LEAST_HOLD_S)
    assert host.now_s == pytest.approx(3 * PERIOD_S)
    assert not throttle._is_held


async def test_they_give_way_to_others_and_come_back(host: Host, throttle: Throttle):
    courtesy = host.courtesy()
    courtesy.join(7, throttle)
    host.others = 0.34
    for _ in range(6):
        await courtesy.turn(20)
    reason, host.held_s, host.free_s = courtesy.reason, 0.0, 0.0
    await courtesy.turn(20)
    free_s = host.free_s
    host.others = 0.0
    for _ in range(10):
        await courtesy.turn(20)

    assert reason == "the host is busy: io pressure 34 %, kept to 10 % of the time"
    assert free_s == pytest.approx(0.1 * PERIOD_S)
    assert courtesy.reason == ""


async def test_nothing_is_held_where_nobody_asked_or_the_kernel_does_not_count(
    host: Host, throttle: Throttle
):
    courtesy = host.courtesy()
    host.others = 1.0
    await courtesy.turn(20)  # nobody is there
    courtesy.join(7, throttle)
    await courtesy.turn(None)
    host.has_psi = False
    await courtesy.turn(20)

    assert (host.now_s, courtesy.reason) == (0.0, "")


async def test_a_job_that_ends_or_comes_while_all_hold_is_treated_alike(throttle: Throttle):
    others = [Throttle(), Throttle()]
    seen: list[tuple[bool, ...]] = []

    async def sleep(seconds: float) -> None:
        if seconds == SETTLE_S:
            courtesy.join(8, others[0])
            courtesy.leave(7)
            seen.append((throttle._is_held, others[0]._is_held, others[1]._is_held))

    courtesy = Courtesy(lambda: Waited(0, 0), clock=lambda: 0.0, sleep=sleep)
    courtesy.join(7, throttle)
    await courtesy.turn(20)

    assert seen == [(False, True, False)]
    assert not others[0]._is_held


async def test_a_look_that_fails_lets_go(throttle: Throttle):
    async def sleep(_: float) -> None:
        raise TimeoutError

    courtesy = Courtesy(lambda: Waited(0, 0), sleep=sleep)
    courtesy.join(7, throttle)
    with pytest.raises(TimeoutError):
        await courtesy.turn(20)

    assert not throttle._is_held


def test_a_held_throttle_lets_nothing_pass_and_says_so():
    waits: list[float] = []

    class Waiting(CancelToken):
        def wait(self, timeout_s: float | None = None) -> bool:
            waits.append(timeout_s or 0.0)
            if len(waits) == 3:
                throttle.hold(False)
            return False

    throttle = Throttle()
    throttle.hold(True)
    throttle.take(1 << 20, Waiting())

    assert len(waits) == 3
    assert throttle.is_binding


def test_a_run_says_that_the_host_is_busy(cell: Cell, monkeypatch: pytest.MonkeyPatch):
    counted = iter(range(0, 10**15, 10**9))
    monkeypatch.setattr(controller, "Courtesy", lambda: Courtesy(lambda: Waited(next(counted), 0)))
    cell.dump("one.dump", 1 << 20)
    cell.apply(commcell="yield_percent = 20")
    with service_here(cell.home):
        cell.scan()
        job_id = cell.start(throttle_bps=4096)  # a crawl: it runs as long as the service does
        job = cell.until(job_id, lambda job: "the host is busy" in job.streams_limited_by)

    assert job.streams_limited_by.startswith("the host is busy: io pressure 100 %, kept to ")
