"""Measures the console as a terminal sees it: a pty that counts bytes and times keys.

Run as `python -m bench.console`. First paint, with the policies of the catalog, beside a bare Textual app in the same run; bytes a
second when nothing happens and with 20 running jobs that change once a second; key to paint with
a copy of 100,000 job copies open while 16 streams copy, and on a line of 16 kB/s. `--short` measures less of each.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import signal
import sqlite3
import statistics
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from fcntl import ioctl
from pathlib import Path
from typing import Any

from engine.catalog.home import Home
from engine.catalog.live import LiveCatalog
from engine.control.lock import ServiceLock
from engine.model.states import StreamState
from tests.cell import Cell
from tests.console.sample_catalog import grow_ledger, make_catalog

SIZE = (80, 24)
AT_WORK = (StreamState.COPYING, StreamState.SYNCING, StreamState.THROTTLED)
BUDGETS = {
    "first_paint_ms": 350.0,
    "first_paint_of_bare": 1.5,
    "first_paint_cpu_of_bare": 1.5,
    "idle_bytes_per_second": 0.0,
    "jobs_bytes_per_second": 3_000.0,
    "jobs_cpu_percent": 3.0,
    "key_p99_ms": 50.0,
    "slow_line_key_ms": 300.0,
}
SLOW_LINE_BPS = 16_000  # bytes per second
STREAMS = 16
DUMP_BYTES = 96 << 20  # of each of the 16 files that are copied meanwhile
COPY_BPS = 64 << 20  # together: what there is to copy lasts until the keys are pressed
LEAST_PRESSES = 100  # while all streams copy; fewer say nothing of the slowest in a hundred
SITE = """
[libraries.broad]
url = "{root}/broad"
media_agents = ["here"]
writers = 16
[policies.databases.copies.wide]
kind = "synchronous"
library = "broad"
"""
CURSOR = re.compile(rb"48;2;47;111;179[^m]*m([^\x1b]*)")  # the cursor row of the theme `dark`
PATIENCE_S = 60.0
BARE = """
from textual.app import App
from textual.widgets import DataTable, Static, Tree
class Bare(App):
    def compose(self):
        yield Static("ready for work")
        yield Tree("tree")
        yield DataTable()
Bare().run(mouse=False)
"""


class Screen:
    """A program in a pty of its own."""

    def __init__(self, arguments: Sequence[str], *, size: tuple[int, int] = SIZE) -> None:
        self.started_mono_s = time.monotonic()
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execvpe(arguments[0], list(arguments), _environ())  # noqa: S606 - our own programs
        ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.seen = bytearray()

    def read(self, for_s: float, *, at_most: int = 1 << 16) -> bytes:
        """What comes within a time; empty when nothing does."""
        ready, _, _ = select.select([self.descriptor], [], [], for_s)
        if not ready:
            return b""
        try:
            got = os.read(self.descriptor, at_most)
        except OSError:
            return b""
        if b"\x1b[?2026$p" in got:
            os.write(self.descriptor, b"\x1b[?2026;2$y")
        self.seen += got
        return got

    def until(self, pattern: re.Pattern[bytes], *, pace_bps: int | None = None) -> float:
        """Seconds until a pattern comes, reading no faster than a line would."""
        begun, start = time.monotonic(), len(self.seen)
        while not pattern.search(self.seen, start):
            if time.monotonic() - begun > PATIENCE_S:
                raise TimeoutError(f"never seen: {pattern.pattern!r}")
            got = self.read(0.05, at_most=pace_bps // 100 if pace_bps else 1 << 16)
            if pace_bps and got:
                time.sleep(len(got) / pace_bps)
        return time.monotonic() - begun

    def settle(self, quiet_s: float = 1.0) -> None:
        """Reads until nothing has come for a while."""
        while self.read(quiet_s):
            pass

    def count(self, seconds: float) -> int:
        """Bytes that come within a time."""
        end, total = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            total += len(self.read(left))
        return total

    def press(self, keys: bytes) -> None:
        """Types."""
        os.write(self.descriptor, keys)

    def cpu_s(self) -> float:
        """Processor seconds that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def exact_cpu_s(self) -> float:
        """The same to the microsecond, where the kernel counts so."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def close(self) -> None:
        """Ends it as a lost line does."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


class Ticker(threading.Thread):
    """Lets every running job go on once a second, as a service does."""

    def __init__(self, catalog: Path) -> None:
        super().__init__(daemon=True)
        self._catalog = catalog
        self._stopped = threading.Event()
        # Without a service that holds the catalog, its jobs are told as standing still.
        self._lock = ServiceLock(Home(catalog.parent).service_lock)

    def run(self) -> None:
        db = sqlite3.connect(self._catalog, timeout=10, isolation_level=None)
        while not self._stopped.wait(1.0):
            db.execute(
                "UPDATE job SET bytes_done = (bytes_done + 200000000) % bytes_total,"
                " bytes_per_second = 190000000 + abs(random() % 20000000),"
                " seconds_left = seconds_left - 1 WHERE state = 'running'"
            )
        db.close()

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()
        self.join()
        self._lock.release()


def _environ() -> dict[str, str]:
    # An installed program has its modules compiled.
    left_out = {"NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "PYTHONDONTWRITEBYTECODE"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LINES": "", "COLUMNS": ""}


def _console(home: Path) -> Screen:
    return Screen([sys.executable, "-m", "auxtui", "--no-mouse", "--home", str(home)])


def _quiet(catalog: Path) -> None:
    """No job, no window: nothing happens."""
    db = sqlite3.connect(catalog)
    with db:
        db.execute("UPDATE job SET state = 'completed', ended_at = '2026-03-01 00:00:00'")
        db.execute("DELETE FROM operation_window")
        db.execute("DELETE FROM activity")
    db.close()


def _run_twenty(catalog: Path) -> None:
    """Twenty running jobs, ids 2000 to 2019."""
    db = sqlite3.connect(catalog)
    names = [row[1] for row in db.execute("PRAGMA table_info(job)")]
    changed = {"id": "2000 + n", "state": "'running'", "desired": "'run'", "seconds_left": "9999",
               "bytes_total": "100000000000", "bytes_done": "1000000000", "ended_at": "NULL",
               "started_at": "created_at"}  # fmt: skip
    chosen = ", ".join(changed.get(name, name) for name in names)
    with db:
        db.execute(
            "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 19)"  # noqa: S608 - names of the schema
            f" INSERT INTO job ({', '.join(names)}) SELECT {chosen} FROM job, n WHERE id = 901"
        )
    db.close()


def first_paints(home: Path, times: int) -> tuple[float, float, float, float]:
    """Medians of the console, and of a bare Textual app: until what they show is there.

    The first start of each is not counted: it may have to compile its modules.

    Returns:
        Seconds of ours and of the bare one, processor seconds of ours and of the bare one.
    """
    ours, bare = [], []
    for _ in range(times + 1):
        bare.append(_start(Screen([sys.executable, "-c", BARE]), rb"ready for work"))
        ours.append(_start(_console(home), rb"databases"))
    mean = [statistics.median(one) for each in (ours, bare) for one in zip(*each[1:], strict=True)]
    return mean[0], mean[2], mean[1], mean[3]


def _start(screen: Screen, seen: bytes) -> tuple[float, float]:
    """Seconds and processor seconds until a text is there."""
    screen.until(re.compile(seen))
    taken = time.monotonic() - screen.started_mono_s, screen.exact_cpu_s()
    screen.close()
    return taken


def idle_rate(home: Path, seconds: float) -> float:
    """Bytes a second of a console on which nothing happens."""
    screen = _console(home)
    screen.until(re.compile(rb"Storage Policies"))
    screen.settle(3.0)
    rate = screen.count(seconds) / seconds
    screen.close()
    return rate


def jobs_rate(home: Path, seconds: float) -> tuple[float, float]:
    """Bytes a second, and percent of a processor, with 20 running jobs in the job controller."""
    ticker, screen = Ticker(home / "catalog.db"), _console(home)
    ticker.start()
    screen.until(re.compile(rb"Storage Policies"))
    screen.press(b"2")
    screen.until(re.compile(rb"Job controller"))
    screen.count(3.0)
    before_s = screen.cpu_s()
    each = sorted(screen.count(1.0) for _ in range(round(seconds)))
    edge = len(each) // 4  # a host that is busy otherwise makes a late burst of some seconds
    rate = statistics.mean(each[edge : len(each) - edge])
    cpu = 100 * (screen.cpu_s() - before_s) / seconds
    screen.close()
    ticker.stop()
    return rate, cpu


def busy_cell(folder: Path) -> Cell:
    """A CommCell with 100,000 job copies on the copy `wide`, and 16 files that it has not yet."""
    cell = Cell(folder)
    cell.apply(SITE.format(root=folder), streams=STREAMS)
    cell.dump("first.dump", 1000)
    cell.scan()
    cell.run(copies=("wide",))
    cell.close()
    db = sqlite3.connect(cell.home.catalog)
    found = db.execute(
        "SELECT backup_job_id, copy_id FROM job_copy JOIN policy_copy ON policy_copy.id = copy_id"
        " WHERE name = 'wide' AND state = 'available'"
    ).fetchone()
    db.close()
    grow_ledger(cell.home.catalog, rows=100_000, like=found[0], copy_id=found[1], state="available")
    for number in range(STREAMS):
        cell.dump(f"{number}.dump", DUMP_BYTES)
    cell.scan()
    return cell


def copying(cell: Cell, job_id: int) -> int:
    """Streams of the job that are at work now."""
    with LiveCatalog(cell.home.catalog) as live:
        return sum(stream.state in AT_WORK for stream in live.streams(job_id))


def key_times(cell: Cell, presses: int) -> list[float]:
    """Seconds from a key to the painted cursor, with 100,000 job copies open while 16 streams copy.

    Returns:
        The times of the keys that were pressed while all streams were at work.

    Raises:
        RuntimeError: the copy was done before enough keys were pressed.
    """
    screen = _console(cell.home.path)
    screen.until(re.compile(rb"Storage Policies"))
    screen.press(b":wide")
    screen.until(re.compile(rb"databases / wide"))
    screen.press(b"\r")
    screen.until(re.compile(rb"100,0\d\d"))
    job_id = cell.start(copies=("wide",), streams=STREAMS, throttle_bps=COPY_BPS)
    while copying(cell, job_id) < STREAMS:
        screen.count(0.2)
    screen.count(1.0)
    taken: list[float] = []
    while len(taken) < presses:
        batch: list[float] = []
        for _ in range(20):
            screen.press(b"\x1b[B" if len(taken) % 40 < 20 else b"\x1b[A")
            batch.append(screen.until(CURSOR))
        if copying(cell, job_id) < STREAMS:
            break
        taken += batch
    screen.close()
    if len(taken) < LEAST_PRESSES:
        raise RuntimeError(f"the copy was done after {len(taken)} keys: take more data")
    return taken


def slow_line_times(home: Path, presses: int) -> list[float]:
    """The same in the job controller with 20 running jobs, on a slow line."""
    ticker, screen = Ticker(home / "catalog.db"), _console(home)
    ticker.start()
    screen.until(re.compile(rb"Storage Policies"))
    screen.press(b"2")
    screen.until(re.compile(rb"Job controller"))
    screen.count(3.0)
    taken: list[float] = []
    for place in range(presses):
        job_id = b"%d" % (2001 + place % 15)
        if place and place % 15 == 0:
            screen.press(b"g")
            screen.until(re.compile(rb"48;2;47;111;179[^m]*m[^\x1b]*2000"), pace_bps=SLOW_LINE_BPS)
        screen.press(b"\x1b[B")
        wanted = re.compile(rb"48;2;47;111;179[^m]*m[^\x1b]*" + job_id)
        taken.append(screen.until(wanted, pace_bps=SLOW_LINE_BPS))
    screen.close()
    ticker.stop()
    return taken


def measure(folder: Path, *, short: bool) -> dict[str, Any]:
    """All of it."""
    catalog = make_catalog(folder / "catalog.db", now=datetime.now(UTC))
    _quiet(catalog)
    paint_s, bare_s, paint_cpu_s, bare_cpu_s = first_paints(folder, 1 if short else 9)
    idle = idle_rate(folder, 2.0 if short else 10.0)
    _run_twenty(catalog)
    rate, cpu = jobs_rate(folder, 5.0 if short else 20.0)
    result: dict[str, Any] = {
        "first_paint_ms": round(1000 * paint_s, 1),
        "first_paint_of_bare": round(paint_s / bare_s, 2),
        "first_paint_cpu_of_bare": round(paint_cpu_s / bare_cpu_s, 2),
        "idle_bytes_per_second": round(idle, 1),
        "jobs_bytes_per_second": round(rate, 1),
        "jobs_cpu_percent": round(cpu, 1),
    }
    if not short:
        slow = slow_line_times(folder, 30)
        cell = busy_cell(folder / "busy")
        try:
            keys = sorted(key_times(cell, 200))
        finally:
            cell.close()
        result["key_presses"] = len(keys)
        result["key_median_ms"] = round(1000 * statistics.median(keys), 1)
        result["key_p99_ms"] = round(1000 * keys[int(len(keys) * 0.99) - 1], 1)
        result["slow_line_key_ms"] = round(1000 * statistics.median(slow), 1)
        result["slow_line_key_worst_ms"] = round(1000 * max(slow), 1)
    return result


def main() -> int:
    """Measures, prints each number with its budget; 1 when one is over it."""
    parser = argparse.ArgumentParser(description="the console in a pty that counts")
    parser.add_argument("--short", action="store_true", help="less of each")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="auxtui-") as name:
        found = measure(Path(name), short=chosen.short)
    if chosen.json:
        chosen.json.write_text(json.dumps(found))
    over = 0
    for key, value in found.items():
        budget = BUDGETS.get(key)
        is_over = budget is not None and value > budget
        over += is_over
        said = "" if budget is None else f"   budget {budget:g}{'   OVER' if is_over else ''}"
        sys.stdout.write(f"{key:26} {value:10g}{said}\n")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
