"""A test message to where an alert goes: whether it would arrive, asked before it has to."""

from __future__ import annotations

from engine.catalog import config
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.control.outbox import destination_of, trial_letter
from engine.model.clock import system_clock
from engine.operations.delivery import deliver


def send_trial(home: Home, alert: str) -> tuple[str, str]:
    """Delivers a test message now.

    Args:
        home: whose configuration.
        alert: name of the alert.

    Returns:
        Where it went, and what the other side said besides; the second may be empty.

    Raises:
        NotFoundError: there is no such alert.
        AuxError: it was not accepted; says by whom and why.
    """
    with open_catalog(home) as catalog, catalog.read() as session:
        destination = destination_of(session, alert)
        letter = trial_letter(config.commcell(session), alert, system_clock())
    return destination.label, deliver(destination, letter)
