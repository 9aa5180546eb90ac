"""The CommCell tree as lines: what is unfolded, how deep, with which sign. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.cells import cell_len

from auxtui.glyphs import Glyphs
from auxtui.health import Grade, Trouble
from auxtui.inert import safe
from auxtui.present import Cell, Look, Row, Tone, copy_state
from engine.catalog.live_values import Estate, LiveCopy

Key = tuple[str, int]
ROOT: Key = ("commcell", 0)
CLIENTS: Key = ("clients", 0)
POLICIES: Key = ("policies", 0)
LIBRARIES: Key = ("libraries", 0)
AGENTS: Key = ("agents", 0)
SCHEDULES: Key = ("schedules", 0)
WINDOWS: Key = ("windows", 0)
REPORTS: Key = ("reports", 0)
BEHIND_REPORT, ALARM_REPORT, TROUBLE_REPORT, JOBS_REPORT = range(4)
REPORT_NAMES = ("Copies and forecast", "Alarms", "What is wrong", "Jobs that ended")
POLICY_GROUP: Key = ("policy-group", 0)
STORAGE: Key = ("storage", 0)
UNFOLDED_AT_START = frozenset({ROOT, POLICY_GROUP, POLICIES, STORAGE, LIBRARIES})

NO_NOTE = Cell("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the tree."""

    key: Key
    label: str
    parent: Key | None
    depth: int
    has_children: bool
    note: Cell = NO_NOTE


def nodes(estate: Estate, look: Look) -> tuple[Node, ...]:
    """Every node, parents before children."""
    return tuple(_walk(estate, look))


def visible(all_nodes: tuple[Node, ...], unfolded: frozenset[Key]) -> tuple[Node, ...]:
    """The nodes of which every ancestor is unfolded."""
    shown: list[Node] = []
    open_keys: set[Key] = set()
    for node in all_nodes:
        if node.parent is None or node.parent in open_keys:
            shown.append(node)
            if node.key in unfolded:
                open_keys.add(node.key)
    return tuple(shown)


def label_width(node: Node) -> int:
    """Cells that a node takes with its depth and its sign."""
    return 2 * node.depth + 2 + cell_len(node.label)


def row(
    node: Node,
    *,
    unfolded: bool,
    worst: Mapping[Key, Trouble],
    glyphs: Glyphs,
    in_words: bool = False,
) -> Row:
    """A node as a row: its label by depth, and its sign; what is wrong too where there is room."""
    sign = glyphs.leaf
    if node.has_children:
        sign = glyphs.unfolded if unfolded else glyphs.folded
    trouble = None if node.has_children and unfolded else worst.get(node.key)
    note = node.note
    if trouble and not note.text:
        mark, tone = grade_sign(trouble.grade, glyphs)
        note = Cell(f"{mark} {trouble.text}" if in_words else mark, tone)
    return Row(node.key, (Cell(f"{'  ' * node.depth}{sign} {node.label}"), note))


def grade_sign(grade: Grade, glyphs: Glyphs) -> tuple[str, Tone]:
    """Sign and tone of a trouble: an error, a warning, or what is only held for a while."""
    if grade is Grade.ERROR:
        return glyphs.failed, Tone.BAD
    return (glyphs.warning if grade is Grade.WARNING else glyphs.suspended), Tone.WARN


def spread(worst: Mapping[Key, Trouble], all_nodes: tuple[Node, ...]) -> dict[Key, Trouble]:
    """The worst trouble of each node including those below it."""
    parents = {node.key: node.parent for node in all_nodes}
    found: dict[Key, Trouble] = {}
    for key, trouble in worst.items():
        place: Key | None = key if key in parents else None
        while place is not None:
            if place not in found or trouble.grade > found[place].grade:
                found[place] = trouble
            place = parents[place]
    return found


def _walk(estate: Estate, look: Look) -> Iterator[Node]:
    yield _group(ROOT, safe(estate.commcell) or "CommCell", None, 0)
    yield _group(CLIENTS, "Client Computers", ROOT, 1, bool(estate.clients))
    for client in estate.clients:
        key: Key = ("client", client.id)
        yield _group(key, safe(client.name), CLIENTS, 2, bool(client.subclients))
        for sub in client.subclients:
            yield _group(("subclient", sub.id), safe(sub.name), key, 3, False)
    yield _group(POLICY_GROUP, "Policies", ROOT, 1)
    yield _group(POLICIES, "Storage Policies", POLICY_GROUP, 2, bool(estate.policies))
    for policy in estate.policies:
        key = ("policy", policy.id)
        yield _group(key, safe(policy.name), POLICIES, 3, bool(policy.copies))
        for copy in policy.copies:
            yield Node(
                key=("copy", copy.id),
                label=safe(copy.name),
                parent=key,
                depth=4,
                has_children=False,
                note=_copy_note(copy, look),
            )
    yield _group(SCHEDULES, "Schedule Policies", POLICY_GROUP, 2, bool(estate.schedules))
    for schedule in estate.schedules:
        yield _leaf(("schedule", schedule.id), schedule.name, SCHEDULES, not schedule.enabled, look)
    yield _group(WINDOWS, "Operation Windows", POLICY_GROUP, 2, bool(estate.windows))
    for window in estate.windows:
        yield _leaf(("window", window.id), window.name, WINDOWS, False, look)
    yield _group(STORAGE, "Storage Resources", ROOT, 1)
    yield _group(LIBRARIES, "Libraries", STORAGE, 2, bool(estate.libraries))
    for library in estate.libraries:
        yield _group(("library", library.id), safe(library.name), LIBRARIES, 3, False)
    yield _group(AGENTS, "MediaAgents", STORAGE, 2, bool(estate.media_agents))
    for agent in estate.media_agents:
        yield _group(("agent", agent.id), safe(agent.name), AGENTS, 3, False)
    yield _group(REPORTS, "Reports", ROOT, 1)
    for number, label in enumerate(REPORT_NAMES):
        yield _group(("report", number), label, REPORTS, 2, False)


def _leaf(key: Key, name: str, parent: Key, is_disabled: bool, look: Look) -> Node:
    note = Cell(f"{look.glyphs.suspended} disabled", Tone.WARN) if is_disabled else NO_NOTE
    return Node(key=key, label=safe(name), parent=parent, depth=3, has_children=False, note=note)


def _copy_note(copy: LiveCopy, look: Look) -> Cell:
    state = copy_state(copy, look)
    return NO_NOTE if state.tone is Tone.MUTED else state


def _group(
    key: Key, label: str, parent: Key | None, depth: int, has_children: bool = True
) -> Node:  # fmt: skip
    return Node(key=key, label=label, parent=parent, depth=depth, has_children=has_children)
