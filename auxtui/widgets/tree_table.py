"""The CommCell tree as a line table that folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.binding import Binding, BindingType

from auxtui.columns import Column
from auxtui.glyphs import Glyphs
from auxtui.health import Trouble
from auxtui.tree import UNFOLDED_AT_START, Key, Node, label_width, row, spread, visible
from auxtui.widgets.line_table import LineTable

_COLUMNS = (
    Column(title="", width=25, wish=30, flex=1),
    Column(title="", width=15, flex=3),
)
WORDS_FROM = 60  # cells; narrower it stands beside what says the same at length


class TreeTable(LineTable):
    """Left folds or goes to the parent, right unfolds or goes to the first child."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "fold", "Fold", system=True, priority=True),
        Binding("right,l", "unfold", "Unfold", system=True, priority=True),
        Binding("space", "fold_or_unfold", "Fold or unfold", system=True, priority=True),
    ]

    def __init__(self, *, glyphs: Glyphs, id: str) -> None:
        super().__init__(_COLUMNS, header=False, glyphs=glyphs, id=id)
        self._tree_nodes: tuple[Node, ...] = ()
        self._worst_by_node: Mapping[Key, Trouble] = {}
        self._unfolded: frozenset[Key] = UNFOLDED_AT_START

    def show_nodes(self, nodes: tuple[Node, ...], worst: Mapping[Key, Trouble]) -> None:
        """Shows the tree with its signs; what is folded stays folded."""
        self._tree_nodes, self._worst_by_node = nodes, spread(worst, nodes)
        self._draw()

    def reveal(self, key: Key) -> bool:
        """Unfolds what is above a node and puts the cursor on it; False when it is not there."""
        parents = {node.key: node.parent for node in self._tree_nodes}
        if key not in parents:
            return False
        above, place = set(self._unfolded), parents[key]
        while place is not None:
            above.add(place)
            place = parents[place]
        self._unfolded = frozenset(above)
        self._draw()
        return self.move_to(key)

    @property
    def node(self) -> Node | None:
        """The node under the cursor."""
        return next((node for node in self._tree_nodes if node.key == self.cursor_key), None)

    def action_fold(self) -> None:
        """Folds the node, or goes to its parent."""
        node = self.node
        if node is None:
            return
        if node.has_children and node.key in self._unfolded:
            self._unfolded -= {node.key}
            self._draw()
        elif node.parent is not None:
            self.move_to(node.parent)

    def action_unfold(self) -> None:
        """Unfolds the node, or goes to its first child."""
        node = self.node
        if node is None or not node.has_children:
            return
        if node.key in self._unfolded:
            self.action_move(1)
        else:
            self._unfolded |= {node.key}
            self._draw()

    def action_fold_or_unfold(self) -> None:
        """Folds or unfolds the node."""
        node = self.node
        if node is not None and node.has_children:
            self._unfolded ^= {node.key}
            self._draw()

    def on_resize(self) -> None:
        """A wide tree says what is wrong, a narrow one has the sign."""
        self._draw()

    def _make_room(self, in_words: bool) -> None:
        """Labels get what they need, what is wrong the rest: it is said at length."""
        columns = _COLUMNS
        if in_words:
            longest = max((label_width(node) for node in self._tree_nodes), default=0)
            width = min(max(longest + 1, _COLUMNS[0].width), self.line_width // 2)
            columns = (Column(title="", width=width), _COLUMNS[1])
        if columns != self._columns:
            self._columns = columns
            self._layout_for = (-1, [])
            self.refresh()

    def _draw(self) -> None:
        in_words = self.line_width >= WORDS_FROM
        self._make_room(in_words)
        self.show_rows(
            row(
                node,
                unfolded=node.key in self._unfolded,
                worst=self._worst_by_node,
                glyphs=self._glyphs,
                in_words=in_words,
            )
            for node in visible(self._tree_nodes, self._unfolded)
        )
