"""Three sets of signs: for any modern terminal, for fonts with blocks only, and pure ASCII."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GlyphName = Literal["unicode", "block", "ascii"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """Signs of one set, each one cell wide. A sign never stands without its word."""

    name: GlyphName
    running: str
    waiting: str
    suspended: str
    done: str
    warning: str
    failed: str
    killed: str
    unknown: str
    folded: str
    unfolded: str
    leaf: str
    mark: str
    ellipsis: str
    arrow: str
    separator: str
    rule: str
    bar_full: str
    bar_parts: tuple[str, ...]
    """Partial cells from the emptiest to the fullest."""
    bar_empty: str
    spark: tuple[str, ...]
    """Heights of a plot of one line, from nothing to full."""
    checked: str
    unchecked: str


UNICODE = Glyphs(
    name="unicode",
    running="▶",
    waiting="·",
    suspended="‖",
    done="✔",
    warning="!",
    failed="✖",
    killed="■",
    unknown="?",
    folded="▸",
    unfolded="▾",
    leaf=" ",
    mark="●",
    ellipsis="…",
    arrow="→",
    separator="│",
    rule="─",
    bar_full="█",
    bar_parts=("▏", "▎", "▍", "▌", "▋", "▊", "▉"),
    bar_empty="░",
    spark=(" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"),
    checked="[x]",
    unchecked="[ ]",
)
BLOCK = Glyphs(
    name="block",
    running="►",
    waiting="·",
    suspended="=",
    done="√",
    warning="!",
    failed="x",
    killed="■",
    unknown="?",
    folded="►",
    unfolded="▼",
    leaf=" ",
    mark="•",
    ellipsis="~",
    arrow="→",
    separator="│",
    rule="─",
    bar_full="█",
    bar_parts=("▌",),
    bar_empty="░",
    spark=(" ", "▄", "█"),
    checked="[x]",
    unchecked="[ ]",
)
ASCII = Glyphs(
    name="ascii",
    running=">",
    waiting=".",
    suspended="=",
    done="+",
    warning="!",
    failed="x",
    killed="#",
    unknown="?",
    folded="+",
    unfolded="-",
    leaf=" ",
    mark="*",
    ellipsis="~",
    arrow=">",
    separator="|",
    rule="-",
    bar_full="#",
    bar_parts=(),
    bar_empty=".",
    spark=(" ", ".", ":", "|", "#"),
    checked="[x]",
    unchecked="[ ]",
)
SETS: dict[GlyphName, Glyphs] = {"unicode": UNICODE, "block": BLOCK, "ascii": ASCII}
