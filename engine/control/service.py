"""The service: one process per catalog that runs the jobs, with no terminal and no console in it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from sqlmodel import Session

from engine.catalog import config, service_state
from engine.catalog.checking import keep_backups
from engine.catalog.events import add_event
from engine.catalog.home import Home
from engine.catalog.opening import Catalog, open_catalog
from engine.control.controller import CATALOG_RETRY_S, Controller
from engine.control.lock import ServiceLock
from engine.control.outbox import Outbox
from engine.control.requests import Requests
from engine.control.watch import Watch
from engine.model.clock import Clock, system_clock
from engine.model.errors import AuxError, CatalogCorrupt, CatalogError
from engine.model.states import Severity
from engine.operations.scan import scan_policy_landings
from engine.operations.store import Store

log = logging.getLogger(__name__)

POLL_S = 0.05  # a request is seen within this time; a poll of data_version costs microseconds
HEARTBEAT_S = 2.0
TICK_S = 1.0  # schedules are due to the second
SCAN_EVERY_S = 60.0
WATCH_EVERY_S = 60.0
PRUNE_EVERY_S = 3600.0
COURTESY_S = 0.5  # between two periods of looking whether the host is busy; each lasts 5 s
UNKIND_S = 4.5  # more, where copies are not to give way: whether they are by now
BACKUP_EVERY_S = 3600.0  # looks whether today's copy of the catalog is there


def run_service(
    home: Home, *, on_ready: Callable[[], None] = lambda: None, clock: Clock = system_clock
) -> int:
    """Runs the service until SIGTERM or a stop request; returns its exit code.

    Raises:
        ServiceError: another service holds the catalog.
        CatalogError: the catalog cannot be used.
    """
    os.umask(0o077)
    lock = ServiceLock(home.service_lock)
    try:
        logging.basicConfig(
            level=logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
            force=True,
        )
        catalog = open_catalog(home, service=True)
        try:
            asyncio.run(Service(home, catalog, clock).serve(on_ready))
        finally:
            catalog.close()
    finally:
        lock.release()
    return 0


@contextmanager
def service_here(home: Home, *, clock: Clock = system_clock) -> Iterator[None]:
    """Runs the service inside this process for as long as the block lasts.

    Raises:
        ServiceError: a service runs on this catalog already.
        CatalogError: the catalog cannot be used.
    """
    before = os.umask(0o077)
    lock = ServiceLock(home.service_lock)
    try:
        catalog = open_catalog(home, service=True)
        service = Service(home, catalog, clock)
        ready = threading.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="service") as thread:
            ended = thread.submit(asyncio.run, service.serve(ready.set, signals=False))
            ended.add_done_callback(lambda _: ready.set())
            ready.wait()
            try:
                yield
            finally:
                service.stop()
                ended.result()
        catalog.close()
    finally:
        lock.release()
        os.umask(before)


class Service:
    """The loops of the service, one TaskGroup their owner."""

    def __init__(self, home: Home, catalog: Catalog, clock: Clock) -> None:
        self.home = home
        self.catalog = catalog
        self.clock = clock
        self.store = Store(catalog)
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Stops the service at a boundary; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    async def serve(self, on_ready: Callable[[], None], *, signals: bool = True) -> None:
        """Takes a new epoch, continues what was running, and serves until it is stopped.

        Args:
            on_ready: called when requests are served from now on.
            signals: SIGTERM and SIGINT stop it, SIGHUP does not; only in the main thread.
        """
        self._loop = asyncio.get_running_loop()
        if signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._stop.set)
            self._loop.add_signal_handler(signal.SIGHUP, lambda: None)
        controller = await self.begin()
        on_ready()
        log.info("service ready, epoch %s", controller.epoch)
        try:
            await self._loops(controller)
        finally:
            await controller.stop()
            await self._end()

    async def begin(self) -> Controller:
        """A new epoch; jobs that an earlier service left are continued."""
        now = self.clock()

        def write(session: Session) -> int:
            before = service_state.service(session)
            if before.state == service_state.RUNNING:
                add_event(
                    session,
                    severity=Severity.WARNING,
                    code="service.died",
                    message=f"the service (process {before.pid}) ended without stopping; "
                    "a new one goes on with its jobs",
                    about=before.host,
                    hint="the service's log says what it did last",
                    now=now,
                )
            return service_state.new_epoch(
                session,
                pid=os.getpid(),
                host=socket.gethostname(),
                boot_id=boot_id(),
                version=metadata.version("auxtui"),
                now=now,
            )

        epoch = await self.store.write(write)
        controller = Controller(self.home, self.store, self.clock, epoch)
        await controller.adopt_orphans()
        return controller

    async def _loops(self, controller: Controller) -> None:
        requests = Requests(controller, self._stop.set)
        watch = Watch(self.store, self.clock)
        await requests.scheduler.begin()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._serve_requests(requests)),
                group.create_task(self._every(HEARTBEAT_S, self._beat)),
                group.create_task(self._every(TICK_S, requests.scheduler.tick)),
                group.create_task(self._every(SCAN_EVERY_S, self._scan)),
                group.create_task(self._every(WATCH_EVERY_S, watch.look)),
                group.create_task(self._every(WATCH_EVERY_S, watch.probe)),
                group.create_task(self._every(PRUNE_EVERY_S, watch.prune)),
                group.create_task(self._every(COURTESY_S, partial(self._be_kind, controller))),
                group.create_task(Outbox(self.store, self.clock).run()),
                group.create_task(self._every(BACKUP_EVERY_S, self._backup)),
            ]
            await self._stop.wait()
            for task in tasks:
                task.cancel()

    async def _serve_requests(self, requests: Requests) -> None:
        """Looks at the catalog's change counter, and at requests only when it moved."""
        seen = -1
        while True:
            try:
                version = await self.store.data_version()
                if version != seen:
                    await requests.serve()
                    seen = version
            except CatalogCorrupt:
                raise
            except CatalogError as err:
                log.warning("requests wait for the catalog: %s (%s)", err.message, err.hint)
                await asyncio.sleep(CATALOG_RETRY_S)
            await asyncio.sleep(POLL_S)

    async def _every(self, interval_s: float, work: Callable[[], Any]) -> None:
        """Calls `work` again and again; what fails is logged and tried at the next turn."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await work()
            except AuxError as err:
                log.warning("%s (%s)", err.message, err.hint)

    async def _beat(self) -> None:
        now = self.clock()
        await self.store.write(lambda s: service_state.beat(s, now))

    async def _be_kind(self, controller: Controller) -> None:
        if controller.courtesy.has_guests:
            cell = await self.store.read(config.commcell)
            await controller.courtesy.turn(cell.yield_percent)
            if cell.yield_percent is None:  # a row twice a second, for a setting that nobody made
                await asyncio.sleep(UNKIND_S)

    async def _scan(self) -> None:
        await scan_policy_landings(self.store, self.home, self.clock)

    async def _backup(self) -> None:
        await asyncio.to_thread(keep_backups, self.home)

    async def _end(self) -> None:
        now = self.clock()

        def write(session: Any) -> None:
            service_state.set_stopped(session, now)
            add_event(
                session,
                severity=Severity.INFO,
                code="service.stopped",
                message="the service stopped; jobs continue when it starts",
                now=now,
            )

        await self.store.write(write)
        self.store.close()
        log.info("service stopped")


def boot_id() -> str:
    """Identity of this boot of the host; empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
