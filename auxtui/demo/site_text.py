"""The demo's site file."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import tomli_w

POLICIES = ("databases", "machines")
NOT_BEFORE = timedelta(days=30)

_HEAD = """\
# The demo's CommCell. Change it, then: auxtui --home HOME apply site.toml
# where HOME is the directory "home" beside this file.

"""


def site_text(root: Path, *, upload_settles_s: int, today: date) -> str:
    """The site file of a demo below `root`."""
    landing = root / "landing"
    agents = ["this-host"]
    document = {
        "commcell": {"name": "demo", "time_zone": "UTC"},
        "media_agents": {"this-host": {"max_streams": 2}},
        "libraries": {
            "vault": {"url": str(root / "vault"), "media_agents": agents},
            "shelf": {"url": str(root / "shelf"), "media_agents": agents},
        },
        "clients": {
            "db1": {
                "subclients": {"inventory": _subclient("databases", landing / "db1/inventory")}
            },
            "web1": {"subclients": {"library": _subclient("machines", landing / "web1/library")}},
            "vm1": {
                "subclients": {
                    "images": _subclient("machines", landing / "vm1/images"),
                    "uploads": _subclient(
                        "machines", landing / "vm1/uploads", settle=f"{upload_settles_s}s"
                    ),
                }
            },
        },
        "policies": {
            "databases": {
                "description": "Dumps of the inventory database",
                "copies": {
                    "primary": {"retain": "30d"},
                    "offsite": {"kind": "synchronous", "library": "vault", "retain": "90d"},
                    "monthly": {
                        "kind": "selective",
                        "select": "monthly",
                        "take": "first",
                        "source": "offsite",
                        "library": "shelf",
                        "retain": "7y",
                    },
                },
            },
            "machines": {
                "description": "Archives and images",
                "copies": {
                    "primary": {"retain": "30d"},
                    "offsite": {"kind": "synchronous", "library": "vault", "retain": "90d"},
                    "second": {
                        "kind": "synchronous",
                        "library": "shelf",
                        "retain": "90d",
                        "on_and_after": (today - NOT_BEFORE).isoformat(),
                    },
                },
            },
        },
    }
    return _HEAD + tomli_w.dumps(document)


def _subclient(policy: str, landing: Path, *, settle: str = "0s") -> dict[str, str]:
    return {"policy": policy, "landing": str(landing), "settle": settle}
