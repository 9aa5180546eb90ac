"""A CommCell for fault rounds: services from the nursery, an oracle beside it, no fixed waits."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.catalog import requests
from engine.catalog.opening import open_catalog
from engine.control import frontdoor
from engine.model.clock import system_clock
from engine.model.states import Operation, RequestKind
from engine.operations.options import options_to_json
from engine.policy.values import RunOptions
from tests.cell import SECOND, Cell
from tests.faults.oracle import CopyOnMedia, Oracle, jobs_of, query
from tests.faults.services import Nursery, Service

CHUNK_BYTES = 64 * 1024
"""Of the services of fault rounds: a megabyte has enough chunks to be killed between them."""
CRAWL_BPS = 8 * CHUNK_BYTES
LARGE_CHUNKS = 120
"""A dump of so many chunks takes 15 s at a crawl: it is caught in its middle on a slow host."""
POLL_S = 0.01
FINISH_S = 240.0


class Estate:
    """A cell, the truth about it, and the service of the moment."""

    def __init__(self, root: Path, nursery: Nursery, *, site: str = SECOND) -> None:
        self.cell = Cell(root)
        self.root = root
        self.nursery = nursery
        copies = [CopyOnMedia("offsite", root / "vault")]
        if site == SECOND:
            copies.append(CopyOnMedia("second", root / "shelf"))
        self.oracle = Oracle(self.cell.home.path, self.cell.landing, copies)
        self.service: Service | None = None
        self._made = 0
        self.site = site

    def apply(self, **site: Any) -> None:
        """Makes the configuration."""
        self.cell.apply(self.site, **site)

    def add(self, name: str, size: int) -> None:
        """A new dump in the landing directory."""
        self.cell.dump(name, size)
        self.oracle.knows(os.fsencode(name.partition("/")[0]))

    def add_some(self, numbers: random.Random, *, chunks: int = 16) -> None:
        """A dump of many chunks, several small ones, and a directory with a link."""
        self._made += 1
        day = f"day{self._made:04d}"
        self.add(f"{day}-large.dump", chunks * CHUNK_BYTES - numbers.randrange(CHUNK_BYTES))
        for number in range(3):
            self.add(f"{day}-{number}.dump", numbers.randrange(0, 20_000))
        tree = self.cell.landing / f"{day}-tree"
        self.cell.dump(f"{day}-tree/deep/one", numbers.randrange(1, 5_000))
        self.cell.dump(f"{day}-tree/two", numbers.randrange(1, 5_000))
        (tree / "link").symlink_to("deep/one")
        self.oracle.knows(os.fsencode(tree.name))

    def start(self, **stage: Any) -> Service:
        """Starts a service; it is not ready yet. `stage`: see `tests.faults.staging`."""
        self.end()
        self.service = self.nursery.start(self.cell.home, **{"chunk_bytes": CHUNK_BYTES, **stage})
        return self.service

    def start_ready(self, **stage: Any) -> Service:
        """Starts a service and waits until it serves."""
        service = self.start(**stage)
        assert service.wait_ready() == "ready", self.log()
        return service

    def end(self) -> None:
        """Kills the service of the moment."""
        if self.service is not None:
            self.service.close()
            self.service = None

    def scan(self) -> dict[str, Any]:
        """Adopts what is there; a service must run."""
        return frontdoor.run_scan(self.cell.home, None, by="test")

    def run(self, **options: Any) -> int:
        """Starts an auxiliary copy and returns its job id; a service must run."""
        return self.cell.start(**options)

    def file_run(self, **options: Any) -> None:
        """Files the request for an auxiliary copy and does not wait: no service need run."""
        self.file(
            RequestKind.RUN,
            {
                "operation": Operation.AUXCOPY.value,
                "policy": "databases",
                "options": options_to_json(RunOptions(**options)),
            },
        )

    def throttle(self, job_id: int, throttle_bps: int | None) -> None:
        """Changes the rate of a running job; a service must run."""
        frontdoor.request(
            self.cell.home,
            RequestKind.THROTTLE,
            job_id,
            {"throttle_bps": throttle_bps},
            by="test",
        )

    def release(self, throttle_bps: int | None = None) -> None:
        """Lets the job that crawls go: now, or when the next service starts."""
        self.file(RequestKind.THROTTLE, {"throttle_bps": throttle_bps}, self.jobs()[-1]["id"])

    def file_scan(self) -> None:
        """Files the request for a scan and does not wait."""
        self.file(RequestKind.SCAN, {"subclient": None, "accept": False})

    def file(
        self, kind: RequestKind, payload: dict[str, Any] | None = None, job_id: int | None = None
    ) -> None:
        """Files a request and does not wait."""
        catalog = open_catalog(self.cell.home)
        try:
            with catalog.write() as session:
                requests.file_request(
                    session,
                    kind=kind,
                    by="test",
                    job_id=job_id,
                    payload=payload or {},
                    now=system_clock(),
                )
        finally:
            catalog.close()

    def is_settled(self) -> bool:
        """True when no request is filed and every job has ended."""
        open_ones = query(
            self.cell.home.path,
            "SELECT 1 FROM request WHERE state = 'filed' UNION ALL"
            " SELECT 1 FROM job WHERE state NOT IN"
            " ('completed', 'completed_with_errors', 'failed', 'killed')",
        )
        return not open_ones

    def has_requests(self) -> bool:
        """True while a request has no answer."""
        return bool(query(self.cell.home.path, "SELECT 1 FROM request WHERE state = 'filed'"))

    def finish(self, **stage: Any) -> list[str]:
        """Lets a service that nothing disturbs do all that is left, then stops it in order.

        Returns:
            What the oracle finds.
        """
        self.start_ready(**stage)
        self.until(self.is_settled)
        self.stop()
        return self.oracle.examine(is_finished=True)

    def stop(self) -> None:
        """Stops the service as an administrator does."""
        assert self.service is not None
        frontdoor.stop_service(self.cell.home, by="test")
        self.service.wait_end()
        self.end()

    def until_settled_or_dead(self) -> bool:
        """Waits until nothing is left to do, or the service was killed; True when it was killed."""
        service = self.service
        assert service is not None
        self.until(lambda: not service.is_alive() or self.is_settled())
        return not service.is_alive()

    def until(self, condition: Callable[[], bool], *, within_s: float = FINISH_S) -> None:
        """Polls until a condition holds; fails when the service dies before, or when it never does."""
        end = time.monotonic() + within_s
        while not condition():
            if self.service is not None and not self.service.is_alive():
                assert condition(), f"the service has ended: {self.log()}"
                return
            assert time.monotonic() < end, f"never: {[dict(j) for j in self.jobs()]}\n{self.log()}"
            time.sleep(POLL_S)

    def jobs(self) -> list[Any]:
        """All jobs, oldest first."""
        return jobs_of(self.cell.home.path)

    def log(self) -> str:
        """What the services said."""
        return self.cell.home.service_log.read_text(errors="backslashreplace")[-4000:]
