"""What can be done with policies, copies, clients and the service. Part of `actions`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from auxtui.action_values import Action, Confirm, Target, World, about
from auxtui.inert import safe
from engine.catalog.live_values import LiveCopy, LivePolicy, LiveSubclient
from engine.model.states import CopyKind, SubclientKind

RUNNABLE = frozenset({"policy", "copy"})
SCANNABLE = frozenset({"subclient", "client", "clients", "commcell"})
WINDOWED = frozenset({"commcell", "agent", "agents", "client", "clients", "subclient", "window"})


def _not_runnable(target: Target | None, world: World) -> str:
    value = target.value if target else None
    if isinstance(value, LiveCopy):
        if value.kind == CopyKind.PRIMARY:
            return "the primary copy is where backup jobs come from"
        return "" if value.active else f"copy {safe(value.name)} is not active"
    if isinstance(value, LivePolicy) and not any(
        c.kind != CopyKind.PRIMARY and c.active for c in value.copies
    ):
        return f"policy {safe(value.name)} has no active secondary copy"
    return ""


@about(LiveSubclient)
def _not_scannable(subclient: LiveSubclient) -> str:
    if subclient.kind == SubclientKind.LANDING:
        return ""
    return f"subclient {safe(subclient.name)} is backed up by auxtui, there is nothing to scan"


def _alive(target: Target | None, world: World) -> str:
    return "the service is running" if world.service_alive else ""


def _dead(target: Target | None, world: World) -> str:
    return "" if world.service_alive else "the service is not running"


def _not_outdated(target: Target | None, world: World) -> str:
    if not world.outdated:
        return "the catalog is of the present form"
    return "this console is read-only" if world.read_only else ""


def _upgraded(targets: Sequence[Target]) -> str:
    return (
        "The catalog was made by an older auxtui. Bring it up to date? A copy of it is put into backups/"
        " first, as every command does it; the older auxtui cannot read it then."
    )


NODE_ACTIONS: tuple[Action, ...] = (
    Action(
        id="policy.run",
        keys="r",
        label="Run Auxiliary Copy",
        help="Opens the dialog; it shows the plan before anything starts.",
        kinds=RUNNABLE,
        changes=True,
        because=_not_runnable,
        hint_rank=0,
    ),
    Action(
        id="copy.ledger",
        keys="b",
        label="Backup Jobs",
        help="The backup jobs on this copy, with state, reason and next step.",
        kinds=frozenset({"copy"}),
        hint_rank=4,
    ),
    Action(
        id="backup-job.why",
        keys="w",
        label="Why Is It Not There",
        help="This backup job on every copy: where it is, where it is not, why, and what comes next.",
        kinds=frozenset({"job-copy", "backup-job"}),
        hint_rank=3,
    ),
    Action(
        id="subclient.scan",
        keys="c",
        label="Scan for Backup Jobs",
        help="Looks at the landing directories now and adopts what has settled.",
        kinds=SCANNABLE,
        changes=True,
        because=_not_scannable,
        hint_rank=4,
    ),
    Action(
        id="node.windows",
        keys="W",
        label="Operation Windows",
        help="When operations must not run here, why not now, and until when: the week as a grid.",
        kinds=WINDOWED,
    ),
    Action(
        id="service.start",
        keys="S",
        label="Start the Service",
        help="Starts the process that runs the jobs. It goes on when this console ends.",
        changes=True,
        because=_alive,
        hint_rank=0,
    ),
    Action(
        id="catalog.upgrade",
        keys="U",
        label="Bring Up to Date",
        help="Brings a catalog that an older auxtui made to the form of this one, after a copy of it.",
        confirm=Confirm.ASK,
        consequence=_upgraded,
        because=_not_outdated,
        hint_rank=0,
    ),
    Action(
        id="service.stop",
        keys="",
        label="Stop the Service",
        help="Running jobs stop at a chunk boundary and go on at the next start.",
        changes=True,
        confirm=Confirm.ASK,
        because=_dead,
    ),
)
