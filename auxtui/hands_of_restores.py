"""What backup, restore and browse do: open the dialog, or the tree of paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from auxtui.action_values import Target
from auxtui.present import Tone
from auxtui.restoring import Wanted
from engine.catalog.live_values import LiveBackupJob, LiveJobCopy, LiveSubclient
from engine.model.errors import UsageError
from engine.model.states import JobCopyState

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Targets = tuple[Target, ...]
Hand = Callable[["ConsoleScreen", Targets], None]


def _wanted(target: Target) -> Wanted:
    """What a thing is to a restore.

    Raises:
        UsageError: nothing that can be restored.
    """
    value = target.value
    if isinstance(value, Wanted):
        return value
    if isinstance(value, LiveSubclient):
        return Wanted(subclient=f"{value.client}/{value.name}")
    if target.kind in ("job-copy", "backup-job"):
        return Wanted(backup_job_id=target.id)
    raise UsageError("nothing that can be restored is selected")


def _copies(screen: ConsoleScreen, target: Target) -> tuple[str, ...]:
    """The copies of the policy of a thing, as a restore asks them."""
    from auxtui.screens.browse import BrowseScreen

    if isinstance(screen, BrowseScreen):
        return screen.copies
    value, estate = target.value, screen.console.state.estate
    if estate is None or not isinstance(value, LiveSubclient | LiveJobCopy | LiveBackupJob):
        return ()
    found = next((p for p in estate.policies if p.name == value.policy), None)
    return tuple(copy.name for copy in found.copies) if found else ()


def _restore(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.restore import RestoreScreen

    target = targets[0]
    wanted = _wanted(target)
    value = target.value
    if isinstance(value, LiveJobCopy) and value.state == JobCopyState.AVAILABLE:
        wanted = replace(wanted, copy=value.copy)

    def started(job_id: int | None) -> None:
        if job_id is not None:
            screen.console.look_anew()
            screen.flash(f"job {job_id} restores {wanted.name}; 2 shows it", Tone.OK)

    screen.app.push_screen(RestoreScreen(wanted, _copies(screen, target)), started)


def _back_up(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.backup import BackupScreen

    target = targets[0]
    if not isinstance(target.value, LiveSubclient):
        raise UsageError("no subclient is selected")

    def started(job_id: int | None) -> None:
        if job_id is not None:
            screen.console.look_anew()
            screen.flash(f"job {job_id} backs up {target.name}; 2 shows it", Tone.OK)

    screen.app.push_screen(BackupScreen(target.value), started)


def _browse(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.browse import BrowseScreen

    screen.app.push_screen(BrowseScreen(_wanted(targets[0]), _copies(screen, targets[0])))


RESTORE_HANDS: dict[str, Hand] = {
    "job-copy.restore": _restore,
    "job-copy.browse": _browse,
    "subclient.backup": _back_up,
    "subclient.restore": _restore,
    "subclient.browse": _browse,
}
