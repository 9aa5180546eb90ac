"""What somebody's own look at the libraries has found, kept like that of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping

from engine.catalog import config
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.model.clock import system_clock
from engine.operations.probing import Look, record_looks


def keep_looks(home: Home, looks: Mapping[str, Mapping[str, Look]]) -> None:
    """Makes the state of libraries what was just found, where this account is that of the service.

    Another account has other keys and other permissions: what it finds says nothing of the runs.

    Args:
        home: whose catalog.
        looks: what was found, by name of the library and URL.

    Raises:
        CatalogError: it cannot be written now.
    """
    if os.stat(home.path).st_uid != os.geteuid():
        return
    with open_catalog(home) as catalog, catalog.write() as session:
        now = system_clock()
        for value in config.libraries(session):
            if value.uuid and looks.get(value.name):  # of others applying the file says more
                record_looks(session, value, looks[value.name], now)
