"""The first screen: the CommCell tree, what its node holds, and the jobs of the moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from auxtui import columns as col
from auxtui import tree
from auxtui.actions import Target
from auxtui.alerts import alarm_target
from auxtui.contents import contents_of, find
from auxtui.feed import Answer, Fresh, Watch
from auxtui.frame import moment_of
from auxtui.health import worst_by_node
from auxtui.inert import safe
from auxtui.paging import Pager
from auxtui.present import job_row
from auxtui.screens.base import WIDE, ConsoleScreen
from auxtui.screens.lists import copy_pager, history_pager, schedule_pager, subclient_pager
from auxtui.targets import (
    backup_job_target,
    job_copy_target,
    job_target,
    job_targets,
    node_target,
)
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from auxtui.widgets.tree_table import TreeTable
from engine.catalog.live_values import Estate, HistoryFilter, LiveBackupJob, LiveSubclient
from engine.catalog.rule_values import ScheduleValue
from engine.catalog.running_values import JobValue

JOB_LINES = 5  # at most so many jobs at the bottom, or a fifth of a high terminal; 2 has them all
NO_JOBS = "no job is running; r on a policy or copy runs an auxiliary copy"


class HomeScreen(ConsoleScreen):
    """Tree, content, running jobs."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "mark"})
    ABOUT = (
        "Left: the CommCell. Right: what the chosen node holds. Below: the jobs that run, and those"
        " that ended in the last five minutes. On a narrow terminal tab goes from one to the next.\n"
        "Choose a policy or copy and press r to run an auxiliary copy; you see the plan before it"
        " starts. Jobs run in the service: leaving the console, or losing the line, stops nothing."
    )
    DEFAULT_CSS = """
    HomeScreen #panes { height: 1fr; }
    HomeScreen #tree { width: 34; border-right: vkey $panel; }
    HomeScreen.-wide #tree { width: 44; }
    HomeScreen.-huge #tree { width: 48; }
    HomeScreen.-narrow #tree { width: 1fr; border-right: none; }
    HomeScreen #right { width: 1fr; }
    HomeScreen #jobs { height: 2; }
    """

    def compose_body(self) -> ComposeResult:
        glyphs = self.look.glyphs
        with Horizontal(id="panes"):
            yield TreeTable(glyphs=glyphs, id="tree")
            with Vertical(id="right"):
                yield Facts(id="facts")
                yield LineTable(glyphs=glyphs, id="content")
        yield LineTable(col.JOBS, glyphs=glyphs, empty=NO_JOBS, id="jobs")

    def on_mount(self) -> None:
        self._key: tree.Key = tree.ROOT
        self._columns: Sequence[col.Column] = ()
        self._pager: Pager | None = None
        self._jobs: tuple[JobValue, ...] = ()
        self._content_shown = False
        self._show_panes()
        self.query_one(TreeTable).focus()

    def first_focus(self) -> Widget | None:
        return None

    def crumbs(self) -> Sequence[str]:
        node = self.query_one(TreeTable).node
        targets = node_target(self.console.state.estate, self._key)
        value = targets[0].value if targets else None
        inside = value.client if isinstance(value, LiveSubclient) else getattr(value, "policy", "")
        label = node.label if node and node.key != tree.ROOT else ""
        return tuple(safe(part) for part in (inside, label) if part)

    def watches(self) -> Iterable[Watch]:
        return self._pager.watches() if self._pager else ()

    def targets(self) -> tuple[Target, ...]:
        focused = self.focused
        if focused is not None and focused.id == "jobs":
            table = self.query_one("#jobs", LineTable)
            return job_targets(self._jobs, table.marked or {table.cursor_key})
        if focused is not None and focused.id == "content":
            return self._content_targets()
        # Of the table and not `_key`, which follows by a message: keys may come faster than that.
        return node_target(self.console.state.estate, self.query_one(TreeTable).cursor_key)

    def abilities(self) -> frozenset[str]:
        focused = self.focused
        markable = focused is not None and focused.id == "jobs"
        return self.ABILITIES if markable else self.ABILITIES - {"mark"}

    def pulse_changed(self) -> None:
        state = self.console.state
        if state.estate is not None:
            self.query_one(TreeTable).show_nodes(
                tree.nodes(state.estate, self.look), worst_by_node(state.troubles)
            )
            self._show_content()
        if state.pulse is not None:
            self._show_jobs((*state.pulse.active, *state.pulse.recent))

    def take(self, message: Fresh | Answer) -> None:
        if self._pager:
            self._pager.take(message, self.console.feed, self)

    def select(self, key: tree.Key) -> None:
        """Puts the cursor of the tree on a node."""
        self.pulse_changed()  # the tree may have come while another view was shown
        self._focus_pane("tree")
        self.query_one(TreeTable).reveal(key)

    def mark(self) -> None:
        """Marks the job under the cursor."""
        self.query_one("#jobs", LineTable).toggle_mark()
        self.refresh_frame()

    def back(self) -> bool:
        if self.focused is not None and self.focused.id != "tree":
            self._focus_pane("tree")
            return True
        return False

    def action_pane(self, step: int) -> None:
        """Goes to the next pane."""
        names = ("tree", "content", "jobs")
        now = self.focused.id if self.focused is not None else "tree"
        place = names.index(now) if now in names else 0
        self._focus_pane(names[(place + step) % 3])

    @on(LineTable.Highlighted, "#tree")
    def _node_changed(self, message: LineTable.Highlighted) -> None:
        if isinstance(message.key, tuple) and message.key != self._key:
            self._key = message.key
            self._pager = None
            self._show_content()
            self.refresh_frame()

    @on(LineTable.Highlighted, "#content,#jobs")
    def _row_changed(self) -> None:
        self.refresh_frame()

    def row_chosen(self, table: LineTable) -> None:
        key = table.cursor_key
        if isinstance(table, TreeTable):
            if table.node is not None and table.node.has_children and table.node.depth < 3:
                table.action_fold_or_unfold()
            else:
                self._focus_pane("content")
        elif table.id == "content" and isinstance(key, tuple):
            self._go_to(*key)
        else:
            self.action_do("thing.open")

    def _go_to(self, kind: str, number: int) -> None:
        """Shows the node of a row; of a trouble that to which it belongs."""
        troubles = self.console.state.troubles
        if kind == "trouble":
            node = troubles[number].node if number < len(troubles) else None
            if node is None:  # of nothing in the tree, as the service is
                self.action_do("go.troubles")
                return
            kind, number = node
        if kind == "alarm":
            self._open_alarm(number)
        elif kind == "job":
            self.console.open_target(job_target(number, None))
        else:
            self.select((kind, number))

    def _open_alarm(self, number: int) -> None:
        for alarm in self.console.state.alarms:
            if alarm.id == number:
                self.console.open_target(alarm_target(alarm))

    @on(LineTable.Wanted, "#content")
    def _rows_wanted(self, message: LineTable.Wanted) -> None:
        if self._pager:
            self._pager.want(self.console.feed, self, message.first, message.end)

    def on_resize(self) -> None:
        super().on_resize()
        self._show_panes()

    def _focus_pane(self, name: str) -> None:
        if name != "jobs":
            self._content_shown = name == "content"
            self._show_panes()
        self.set_focus(self.query_one(f"#{name}"))

    def _show_panes(self) -> None:
        """A narrow terminal shows the tree or the content, any other one both."""
        narrow = self.size.width < WIDE
        self.query_one("#tree").display = not (narrow and self._content_shown)
        self.query_one("#right").display = not narrow or self._content_shown

    def _content_targets(self) -> tuple[Target, ...]:
        key = self.query_one("#content", LineTable).cursor_key
        if isinstance(key, tuple) and key[0] == "alarm":
            alarms = self.console.state.alarms
            return tuple(alarm_target(alarm) for alarm in alarms if alarm.id == key[1])
        if isinstance(key, tuple):
            return node_target(self.console.state.estate, key)
        if key is None:  # an empty list of windows, libraries ...: what is new there belongs to it
            whole = node_target(self.console.state.estate, self._key)
            return tuple(target for target in whole if target.value is None)
        if self._pager is None or not isinstance(key, int):
            return ()
        value = self._pager.values.get(key)
        if isinstance(value, LiveBackupJob):
            return (backup_job_target(value),)
        if isinstance(value, JobValue):
            return (job_target(key, value),)
        return (job_copy_target(key, value),)

    def _show_content(self) -> None:
        estate = self.console.state.estate
        if estate is None:
            return
        contents = contents_of(self._key, estate, self.look, moment_of(self.console.state))
        self.query_one(Facts).show(contents.facts)
        table = self.query_one("#content", LineTable)
        if contents.columns is not self._columns or (contents.paged and self._pager is None):
            self._columns = contents.columns
            table.set_columns(contents.columns, empty=contents.empty)
        if not contents.paged:
            if self._pager is not None:
                self._pager = None
            table.empty = contents.empty
            table.show_rows(contents.rows)
        if contents.paged and self._pager is None:
            self._pager = self._make_pager(table, estate)
        self.rewatch()

    def _make_pager(self, table: LineTable, estate: Estate) -> Pager:
        kind, number = self._key
        thing = find(estate, self._key)
        if isinstance(thing, ScheduleValue):
            return schedule_pager(table, thing, self.look)
        if kind == "report":
            return history_pager(table, HistoryFilter(active=False), self.look)
        make = copy_pager if kind == "copy" else subclient_pager
        return make(table, number, self.look)

    def _show_jobs(self, jobs: tuple[JobValue, ...]) -> None:
        self._jobs = jobs
        table = self.query_one("#jobs", LineTable)
        table.show_rows(job_row(job, self.look) for job in jobs)
        most = max(JOB_LINES, self.size.height // 5)
        lines = max(1, min(most, len(jobs))) + 1
        if table.styles.height is None or table.styles.height.value != lines:
            table.styles.height = lines
