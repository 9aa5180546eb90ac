"""A person asks for a scan while the service makes its own: what lies there is adopted once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from engine.catalog.opening import open_catalog
from engine.operations.scan import scan_policy_landings
from engine.operations.store import Store
from tests.cell import Cell


async def test_two_scans_at_once_adopt_each_backup_once(tmp_path: Path):
    cell = Cell(tmp_path)
    cell.apply()
    cell.dump("full.dump", 1000)
    catalog = open_catalog(cell.home, service=True)
    store = Store(catalog)

    results = await asyncio.gather(
        *(scan_policy_landings(store, cell.home, lambda: datetime.now(UTC)) for _ in range(2))
    )

    store.close()
    catalog.close()
    adopted = [line["name"] for result in results for line in result["adopted"]]
    assert adopted == ["full.dump"]
