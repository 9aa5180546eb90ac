"""What this terminal and this line can do; decided before Textual is imported.

Textual reads its frame rate, animation and escape delay once, at import, so `set_terminal_profile`
must run first. It imports nothing but the standard library.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.model.errors import UsageError

_ALWAYS = {"TEXTUAL_ANIMATIONS": "none"}
_REMOTE = {"TEXTUAL_FPS": "15", "TEXTUAL_SMOOTH_SCROLL": "0", "ESCDELAY": "250"}
_SLOW = {"TEXTUAL_FPS": "5", "TEXTUAL_COLOR_SYSTEM": "standard"}
_GLYPHS = ("unicode", "block", "ascii")
_KNOWN = ("theme", "glyphs", "mouse", "slow", "read_only", "keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How the console behaves on this terminal."""

    theme: str = "dark"
    glyphs: str = "unicode"
    mouse: bool = True
    no_color: bool = False
    read_only: bool = False
    refresh_s: float = 1.0
    """Seconds between looks at the catalog while a job is active; twice that when none is."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Action id to keys, from the user's configuration."""
    theme_dirs: tuple[Path, ...] = ()


def config_dir(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/auxtui`, where the user's themes and `config.toml` are."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")) / ".config")
    return Path(base) / "auxtui"


def set_terminal_profile(environ: MutableMapping[str, str] | None = None) -> Profile:
    """Decides the profile and sets what Textual reads when it is imported.

    `AUXTUI_MOUSE`, `AUXTUI_SLOW`, `AUXTUI_READ_ONLY` (0 or 1), `AUXTUI_GLYPHS` and `AUXTUI_THEME`
    go before `config.toml`; what the user has set for Textual itself is left alone.

    Raises:
        UsageError: the configuration file says something that is not possible.
    """
    variables = os.environ if environ is None else environ
    profile = terminal_profile(variables)
    wanted = dict(_ALWAYS)
    if _is_remote(variables):
        wanted |= _REMOTE
    if profile.refresh_s > 1:
        wanted |= _SLOW
    for name, value in wanted.items():
        variables.setdefault(name, value)
    if "TEXTUAL_DRIVER" not in variables:  # a browser says its size by them
        for name in ("COLUMNS", "LINES"):  # some shells export the size of the start for good
            variables.pop(name, None)
    return profile


def terminal_profile(environ: Mapping[str, str] | None = None) -> Profile:
    """The profile of this environment, without changing it.

    Raises:
        UsageError: the configuration file says something that is not possible.
    """
    variables = os.environ if environ is None else environ
    folder = config_dir(variables)
    config = _config(folder / "config.toml")
    slow = _flag(variables, "AUXTUI_SLOW", config.get("slow", False))
    no_color = bool(variables.get("NO_COLOR"))
    return Profile(
        theme=variables.get("AUXTUI_THEME") or config.get("theme") or "dark",
        glyphs=_glyphs(variables, str(config.get("glyphs", ""))),
        mouse=_flag(variables, "AUXTUI_MOUSE", config.get("mouse", not _is_remote(variables))),
        no_color=no_color,
        read_only=_flag(variables, "AUXTUI_READ_ONLY", config.get("read_only", False)),
        refresh_s=5.0 if slow else 1.0,
        keys=config.get("keys", {}),
        theme_dirs=(folder / "themes",),
    )


def _is_remote(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def _flag(environ: Mapping[str, str], name: str, default: object) -> bool:
    value = environ.get(name)
    return bool(default) if value is None else value not in ("", "0", "no", "false")


def _glyphs(environ: Mapping[str, str], configured: str) -> str:
    chosen = environ.get("AUXTUI_GLYPHS") or configured
    if chosen:
        if chosen not in _GLYPHS:
            raise UsageError(
                f"there is no glyph set {chosen!r}", hint=f"one of {', '.join(_GLYPHS)}"
            )
        return chosen
    if not _has_unicode(environ):
        return "ascii"
    return "block" if environ.get("TERM") in ("linux", "console") else "unicode"


def _has_unicode(environ: Mapping[str, str]) -> bool:
    """Unless the locale names another coding: then the terminal is taken for one that has only that."""
    names = (environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), "UTF-8")
    return "utf8" in locale.lower().replace("-", "")


def _config(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as err:
        raise UsageError(f"cannot read {path}: {err.strerror}", hint="look at its mode") from err
    try:
        config = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise UsageError(f"{path}: {err}", hint="it must be TOML; correct or remove it") from err
    for key in config:
        if key not in _KNOWN:
            raise UsageError(f"{path}: unknown key {key!r}", hint=f"known: {', '.join(_KNOWN)}")
    return config
