"""Services and those who ask them look for what is new several times as often as on a host that has other work."""

from __future__ import annotations

import pytest

from engine.control import asking, frontdoor, joblife, service
from engine.operations import auxcopy, copying, seating

SOON_S = 0.02
LOOK_AGAIN_S = 0.1


def look_often(patch: pytest.MonkeyPatch) -> None:
    """What a test does to a service is seen soon: most of a test would be waiting for that look."""
    for module in (service, asking, frontdoor):
        patch.setattr(module, "POLL_S", SOON_S)
    for module in (joblife, auxcopy, copying, seating):
        patch.setattr(module, "LOOK_AGAIN_S", LOOK_AGAIN_S)
    patch.setattr(joblife.JobLife._nap, "__defaults__", (LOOK_AGAIN_S,))
