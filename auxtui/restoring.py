"""What is restored, from where, and the marks in a tree of paths. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from auxtui import format as fmt
from auxtui.inert import safe
from auxtui.present import Cell, Look, Row, Tone
from engine.model.names import shown

DIRECTORY = "directory"
TOP = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be restored."""

    backup_job_id: int | None = None
    """None: that of a subclient as of a time."""
    subclient: str | None = None
    as_of: datetime | None = None
    """None: the newest backup of the subclient."""
    copy: str | None = None
    """None: any, by precedence."""
    globs: tuple[str, ...] = ()
    paths: tuple[bytes, ...] = ()
    """Exact paths, each with all below it; with `globs` what is in either. Both empty: all."""
    identity_files: tuple[str, ...] = ()
    """age key files, for copies that are encrypted."""

    @property
    def name(self) -> str:
        """What it is, in words."""
        if self.backup_job_id is not None:
            return f"backup job {self.backup_job_id}"
        return safe(self.subclient or "")


class Coming(Protocol):
    """How much a restore brings back, as the engine gives it."""

    @property
    def files(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def is_exact(self) -> bool: ...


class Entry(Protocol):
    """A name in a directory of a backup, as the engine gives it."""

    @property
    def name(self) -> bytes: ...
    @property
    def kind(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def mtime(self) -> datetime | None: ...
    @property
    def unsure(self) -> bool: ...


@dataclass(slots=True)
class PathTree:
    """The directories that have been read, what is unfolded, and what is marked."""

    children: dict[bytes, Sequence[Entry]] = field(default_factory=dict)
    unfolded: set[bytes] = field(default_factory=set)
    marks: set[bytes] = field(default_factory=set)
    """A marked directory stands for all below it."""

    def visible(self, path: bytes = TOP, depth: int = 0) -> Iterator[tuple[bytes, Entry, int]]:
        """Path, entry and depth of each line, from the top."""
        for entry in self.children.get(path, ()):
            below = joined(path, entry.name)
            yield below, entry, depth
            if below in self.unfolded:
                yield from self.visible(below, depth + 1)

    def is_marked(self, path: bytes) -> bool:
        """True when it is marked, or lies below what is."""
        return any(above in self.marks for above in lineage(path))

    def toggle(self, path: bytes) -> str:
        """Marks or unmarks; says why not when what is above it is marked."""
        above = next((one for one in lineage(path)[:-1] if one in self.marks), None)
        if above is not None:
            return f"it is marked with {shown(above)}, which stands for all below it"
        if path in self.marks:
            self.marks.remove(path)
        else:
            self.marks = {one for one in self.marks if not one.startswith(path + b"/")} | {path}
        return ""


def joined(path: bytes, name: bytes) -> bytes:
    """The path of a name in a directory."""
    return path + b"/" + name if path else name


def lineage(path: bytes) -> list[bytes]:
    """The path and all directories above it, from the outside in."""
    parts = path.split(b"/")
    return [b"/".join(parts[: number + 1]) for number in range(len(parts))]


def entry_row(path: bytes, entry: Entry, depth: int, tree: PathTree, look: Look) -> Row:
    """A line of the tree; the order is that of `columns.PATHS`."""
    is_directory = entry.kind == DIRECTORY
    sign = look.glyphs.leaf
    if is_directory:
        sign = look.glyphs.unfolded if path in tree.unfolded else look.glyphs.folded
    name = f"{'  ' * depth}{sign} {shown(entry.name)}{'/' if is_directory else ''}"
    note = "changed while it was read" if entry.unsure else ""
    kind = "" if entry.kind in (DIRECTORY, "file") else entry.kind
    return Row(
        path,
        (
            Cell(name, Tone.STRONG if is_directory else Tone.PLAIN),
            Cell(fmt.size(entry.size) if not is_directory else ""),
            Cell(look.time(entry.mtime), Tone.MUTED),
            Cell(note or kind, Tone.WARN if note else Tone.MUTED),
        ),
    )


def marked_words(marks: Mapping[bytes, object] | set[bytes]) -> str:
    """The marked paths: how many, and the first five."""
    names = sorted(shown(path) for path in marks)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{fmt.count(len(names), 'path')}: {', '.join(names[:5])}{more}"
