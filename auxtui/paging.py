"""Lists of any length: ids from an index, rows read when they come into view.

A `Pager` ties a table to two watched queries: the ids, which are few bytes each, and the rows of
the window on the screen. It may be given up at any time by making another one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from textual.message_pump import MessagePump

from auxtui.feed import Answer, Feed, Fresh, Watch
from auxtui.present import Row
from auxtui.widgets.line_table import LineTable
from engine.catalog.live import LiveCatalog

FIRST_ROWS = 60  # read with the ids, so that the first screen is there at once
KEPT_ROWS = 5000  # those far from the screen are read again when it comes back
IdsQuery = Callable[[LiveCatalog], "array[int]"]
RowsQuery = Callable[[LiveCatalog, Sequence[int]], Mapping[int, Any]]


class PagedRows:
    """Rows of which all ids are known and some have been read."""

    def __init__(self, ids: array[int], rows: dict[int, Row]) -> None:
        self.ids = ids
        self.rows = rows

    def __len__(self) -> int:
        return len(self.ids)

    def key_at(self, index: int) -> Hashable:
        return self.ids[index]

    def row_at(self, index: int) -> Row | None:
        return self.rows.get(self.ids[index])

    def index_of(self, key: Hashable) -> int | None:
        try:
            return self.ids.index(key) if isinstance(key, int) else None
        except ValueError:
            return None


class Pager:
    """Fills a table from a list of ids."""

    def __init__(
        self,
        table: LineTable,
        *,
        topic: str,
        ids: IdsQuery,
        rows: RowsQuery,
        to_row: Callable[[Any], Row],
    ) -> None:
        """Args:
        table: what is filled.
        topic: name of the list; another list needs another one.
        ids: reads the ids in the order of the list.
        rows: reads the values of some ids.
        to_row: makes a row of a value.
        """
        self._table = table
        self._topic = topic
        self._ids_query = ids
        self._rows_query = rows
        self._to_row = to_row
        self._window: tuple[int, ...] = ()
        self.ids: array[int] | None = None
        self.values: dict[int, Any] = {}
        self._rows: dict[int, Row] = {}

    def watches(self) -> tuple[Watch, ...]:
        """What the feed shall follow for it."""
        return (
            Watch(topic=f"{self._topic}:ids", query=self._read_ids),
            Watch(topic=f"{self._topic}:rows", query=self._read_rows),
        )

    def take(self, message: Fresh | Answer, feed: Feed, screen: MessagePump) -> bool:
        """Takes what the feed sent; False when it is not for this list."""
        name = message.topic if isinstance(message, Fresh) else message.token
        if name == f"{self._topic}:ids":
            ids, first = message.value
            self.ids = ids
            self._add(first)
            self._table.show_source(PagedRows(ids, self._rows))
        elif name == f"{self._topic}:rows":
            self._add(message.value)
            self._table.rows_arrived()
        else:
            return False
        return True

    def want(self, feed: Feed, screen: MessagePump, first: int, end: int) -> None:
        """Reads the rows that came into view."""
        if self.ids is None:
            return
        self._window = tuple(self.ids[first:end])
        feed.ask(screen, f"{self._topic}:rows", self._read_rows)

    def _read_ids(self, live: LiveCatalog) -> tuple[array[int], Mapping[int, Any]]:
        ids = self._ids_query(live)
        wanted = self._window or tuple(ids[:FIRST_ROWS])
        self._window = wanted
        return ids, self._rows_query(live, wanted)

    def _read_rows(self, live: LiveCatalog) -> Mapping[int, Any]:
        return self._rows_query(live, self._window)

    def _add(self, values: Mapping[int, Any]) -> None:
        if len(self.values) > KEPT_ROWS:
            self.values.clear()
            self._rows.clear()
        for key, value in values.items():
            if self.values.get(key) != value:
                self.values[key] = value
                self._rows[key] = self._to_row(value)
