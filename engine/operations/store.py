"""The catalog from asyncio: one writer thread, one reader thread, whole transactions only.

A transaction that has begun is never torn by a cancelled task: the thread finishes it, the
caller stops waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlmodel import Session

from engine.catalog.live import LiveCatalog
from engine.catalog.opening import Catalog

T = TypeVar("T")


class Store:
    """Runs functions of a session in the catalog's own threads."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="catalog-write")
        self._live: LiveCatalog | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="catalog-read")
        self._planner = ThreadPoolExecutor(1, thread_name_prefix="catalog-plan")
        self.scanning = asyncio.Lock()
        """Held by a scan from what it knows to what it adopts: two at once would adopt all twice."""

    async def write(self, work: Callable[[Session], T]) -> T:
        """Runs `work` in one BEGIN IMMEDIATE transaction; committed on return."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._writer, self._write, work))

    async def read(self, work: Callable[[Session], T]) -> T:
        """Runs `work` with a read-only session."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, self._read, work)

    async def read_long(self, work: Callable[[Session], T]) -> T:
        """As `read`, for what takes more than a moment: requests are not held up by it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._planner, self._read, work)

    async def data_version(self) -> int:
        """A number that changes when anyone commits to the catalog."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, self._data_version)

    def close(self) -> None:
        """Waits for the running transactions, then lets the threads go."""
        self._writer.shutdown(wait=True)
        if self._live is not None:
            self._reader.submit(self._live.close).result()
        self._reader.shutdown(wait=True)
        self._planner.shutdown(wait=True)

    def _data_version(self) -> int:
        if self._live is None:  # made in the thread that uses it, as SQLite asks
            self._live = LiveCatalog(self.catalog.home.catalog)
        return self._live.data_version()

    def _write(self, work: Callable[[Session], T]) -> T:
        with self.catalog.write() as session:
            return work(session)

    def _read(self, work: Callable[[Session], T]) -> T:
        with self.catalog.read() as session:
            return work(session)
