"""The backup jobs on a copy: state, reason and next step of each, 100,000 of them without a pause."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on

from auxtui import columns as col
from auxtui import format as fmt
from auxtui.actions import Target
from auxtui.contents import copy_facts
from auxtui.feed import Answer, Fresh, Watch
from auxtui.inert import safe
from auxtui.ledger_words import line_words
from auxtui.present import Cell, Tone, word
from auxtui.screens.list_screen import ListScreen
from auxtui.screens.lists import copy_pager
from auxtui.targets import job_copy_target
from auxtui.widgets.line_table import LineTable
from engine.catalog.live_values import LedgerFilter, LedgerOrder, LiveCopy
from engine.model.states import JobCopyState

_STATES: tuple[tuple[str, tuple[JobCopyState, ...]], ...] = (
    ("every state", ()),
    (
        "not copied",
        (
            JobCopyState.TO_BE_COPIED,
            JobCopyState.PARTIALLY_COPIED,
            JobCopyState.DEFERRED,
            JobCopyState.DO_NOT_COPY,
            JobCopyState.BAD,
        ),
    ),
    *((word(state), (state,)) for state in JobCopyState),
)
_ORDERS = {
    LedgerOrder.ID: "newest id first",
    LedgerOrder.STATE: "by state",
    LedgerOrder.CLIENT: "by client",
    LedgerOrder.SIZE: "largest first",
    LedgerOrder.STARTED: "latest start first",
    LedgerOrder.COPIED: "last copied first",
}


def _numbers(keys: Iterable[Hashable]) -> list[int]:
    return [key for key in keys if isinstance(key, int)]


TALL = 32  # lines of a terminal on which the whole of the copy stands above the list
LEFT_OUT = ("Is", "Takes", "Forecast")


class LedgerScreen(ListScreen):
    """Backup jobs on a copy."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset(
        {"menu", "filter", "state", "sort", "mark", "mark-all", "more-filters"}
    )
    COLUMNS = col.LEDGER
    EMPTY = "no backup job on this copy matches"
    ABOUT = (
        "Every backup job that this copy has, owes or owed, each with its state, the reason, and"
        " what happens next. f goes round the states, the comma round the orders, / looks in id,"
        " client, subclient, name and reason. w shows one backup job on every copy of the policy."
    )

    def __init__(self, copy_id: int) -> None:
        super().__init__()
        self._copy_id = copy_id
        self._state = 0
        self._order = LedgerOrder.ID
        self._where = LedgerFilter()
        self._marked_targets: tuple[Target, ...] | None = None

    @property
    def copy(self) -> LiveCopy | None:
        """The copy; None when it is gone."""
        estate = self.console.state.estate
        found = (c for c in estate.copies() if c.id == self._copy_id) if estate else ()
        return next(iter(found), None)

    def crumbs(self) -> Sequence[str]:
        copy = self.copy
        return (safe(copy.policy), safe(copy.name), "backup jobs") if copy else ("backup jobs",)

    def watches(self) -> Iterable[Watch]:
        if self.pager is None:
            where = replace(self._where, states=_STATES[self._state][1], text=self.text)
            self.pager = copy_pager(self.table, self._copy_id, self.look, where, self._order)
        return self.pager.watches()

    def targets(self) -> tuple[Target, ...]:
        if self.pager is None:
            return ()
        values, marked = self.pager.values, self.table.marked
        if not marked:
            key = self.table.cursor_key
            return (job_copy_target(key, values.get(key)),) if isinstance(key, int) else ()
        if self._marked_targets is None:  # 100,000 may be marked, and each key asks for them
            self._marked_targets = tuple(
                job_copy_target(key, values.get(key))
                for key in sorted(_numbers(marked), reverse=True)
            )
        return self._marked_targets

    def target_kinds(self) -> set[str]:
        return {target.kind for target in self.targets()[:1]}

    def take(self, message: Fresh | Answer) -> None:
        super().take(message)
        self._say()

    def pulse_changed(self) -> None:
        self._say()

    @on(LineTable.Highlighted)
    def _other_row(self) -> None:
        self._say_facts()

    def filter_changed(self) -> None:
        self._begin()

    def back(self) -> bool:
        done = super().back()
        self._say()
        return done

    def next_state(self) -> None:
        """Goes round the states."""
        self._state = (self._state + 1) % len(_STATES)
        self._begin()

    def next_order(self) -> None:
        """Goes round the orders."""
        orders = list(_ORDERS)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self._begin()

    def more_filters(self) -> None:
        """Opens the filter form."""
        from auxtui.screens.ledger_filter import LedgerFilterScreen

        def chosen(where: LedgerFilter | None) -> None:
            if where is not None:
                self._where = where
                self._begin()

        estate, copy = self.console.state.estate, self.copy
        zone = estate.time_zone if estate else "UTC"
        name = safe(f"{copy.policy} / {copy.name}") if copy else ""
        self.app.push_screen(LedgerFilterScreen(self._where, name, zone), chosen)

    def mark_all(self) -> None:
        """Marks all that is shown, or none when all are marked."""
        self.table.mark_all()
        self._say()
        self.refresh_frame()

    def mark(self) -> None:
        self._marked_targets = None
        super().mark()
        self._say()

    def _begin(self) -> None:
        self.pager = None
        self._say()
        self.rewatch()

    def _say(self) -> None:
        self._marked_targets = None
        self._say_facts()

    def _say_facts(self) -> None:
        copy = self.copy
        if copy is None:
            self.facts.show([("Copy", Cell("it is not there any more", Tone.BAD))])
            return
        ids = self.pager.ids if self.pager else None
        number = fmt.count(len(ids), "backup job") if ids is not None else "reading"
        text = f"{number}; {_STATES[self._state][0]} (f); {_ORDERS[self._order]} (,)"
        if self._where.parts:
            text += f"; {fmt.count(self._where.parts, 'more filter')} (F)"
        facts = copy_facts(copy, self.look)
        if self.size.height < TALL:  # the list is what one came for; the copy's node has the rest
            facts = [fact for fact in facts if fact[0] not in LEFT_OUT]
        facts.append(("Shown", Cell(text, Tone.STRONG)))
        key = self.table.cursor_key
        line = self.pager.values.get(key) if self.pager and isinstance(key, int) else None
        facts.append(("This one", line_words(line, self.look) if line else Cell("-")))
        if self.table.marked:
            marked = f"{len(self.table.marked):,}: tasks are for these (esc unmarks)"
            facts.append(("Marked", Cell(marked, Tone.WARN)))
        self.facts.show(facts)
