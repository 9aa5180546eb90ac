"""How the console opens a thing: each kind in the screen that is made for it, imported when it is wanted."""

from __future__ import annotations

from abc import abstractmethod

from auxtui.action_values import Target
from auxtui.alerts import alarm_facts
from auxtui.drawn import DrawnApp
from auxtui.present import Look
from auxtui.targets import job_target


class OpeningApp(DrawnApp):
    """An app that knows a screen for each thing."""

    look: Look
    """How it shows things."""

    @abstractmethod
    def go(self, mode: str) -> None:
        """Shows the list of one of the views."""

    def open_target(self, target: Target) -> None:
        """Shows a thing in the screen that is made for it."""
        if target.kind == "job":
            from auxtui.screens.job import JobScreen

            self.push_screen(JobScreen(target.id))
        elif target.kind == "copy":
            self.open_ledger(target)
        elif target.kind in ("job-copy", "backup-job"):
            self.open_backup_job(target.id)
        elif target.kind == "library":
            from auxtui.screens.library import LibraryScreen

            self.push_screen(LibraryScreen(target.id))
        elif target.kind == "window" and target.value.on_nodes:
            self.open_windows(target.value.on_nodes[0])
        elif target.kind == "alarm":
            self.open_alarm(target)
        elif target.kind in ("event", "error"):
            from auxtui.screens.help import TextScreen

            self.push_screen(TextScreen(target.name, target.value))
        else:
            self.open_node((target.kind, target.id))

    def open_alarm(self, target: Target) -> None:
        """Shows the job of an alarm; the whole text of one that has none."""
        if target.value.job_id is not None:
            self.open_target(job_target(target.value.job_id, None))
            return
        from auxtui.screens.help import TextScreen

        self.push_screen(TextScreen(target.name, alarm_facts(target.value, self.look)))

    def open_node(self, key: tuple[str, int]) -> None:
        """Shows a node of the tree on the first screen."""
        from auxtui.screens.home import HomeScreen

        self.go("home")
        if isinstance(self.screen, HomeScreen):
            self.screen.select(key)

    def open_windows(self, node: str) -> None:
        """Shows when operations must not run on a node, and why not now."""
        from auxtui.screens.windows import WindowsScreen

        self.push_screen(WindowsScreen(node))

    def open_ledger(self, target: Target) -> None:
        """Shows the backup jobs on a copy."""
        from auxtui.screens.ledger import LedgerScreen

        self.push_screen(LedgerScreen(target.id))

    def open_backup_job(self, backup_job_id: int) -> None:
        """Shows where a backup job is, where it is not, and why."""
        from auxtui.screens.backup_job import BackupJobScreen

        self.push_screen(BackupJobScreen(backup_job_id))
