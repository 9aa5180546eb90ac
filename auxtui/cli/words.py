"""Words that a command line may say, with the nearest right one for a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from engine.model.errors import NotFoundError, UsageError
from engine.model.names import shown


def one_of(word: str, known: Iterable[str], what: str) -> str:
    """The known word that was meant; hyphens count as underscores.

    Raises:
        UsageError: there is no such word.
    """
    words = {str(each).replace("_", "-"): str(each) for each in known}
    plain = word.strip().lower().replace("_", "-")
    if plain in words:
        return words[plain]
    raise UsageError(
        f'there is no {what} "{shown(word)}"{did_you_mean(plain, list(words))}',
        hint=f"one of: {', '.join(words)}",
    )


def found_name(name: str, known: Iterable[str], what: str) -> str:
    """A name that exists.

    Raises:
        NotFoundError: it does not.
    """
    names = list(known)
    if name in names:
        return name
    listed = ", ".join(shown(each) for each in names[:8])
    raise NotFoundError(
        f'there is no {what} "{shown(name)}"{did_you_mean(name, names)}',
        hint=f"there is: {listed}" if names else f"there is no {what} at all",
    )


def did_you_mean(word: str, known: list[str]) -> str:
    """A half sentence with the nearest word, or nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f'; did you mean "{shown(near[0])}"?' if near else ""


def name_of(word: str | None, what: str) -> str:
    """A name from the command line; empty when it is not given.

    Raises:
        UsageError: it is not UTF-8, as every name in a catalog is.
    """
    if word is None:
        return ""
    try:
        word.encode("utf-8")
    except UnicodeEncodeError as err:
        raise UsageError(
            f'"{shown(word)}" is no {what}: it is not UTF-8', hint="type it on a UTF-8 terminal"
        ) from err
    return word


def policy_and_copy(text: str) -> tuple[str, str]:
    """The parts of `POLICY/COPY`; the copy is empty when only a policy is named.

    Raises:
        UsageError: more parts, or an empty one.
    """
    policy, slash, copy = name_of(text, "copy").partition("/")
    if not policy or (slash and not copy) or "/" in copy:
        raise UsageError(f'"{shown(text)}" is not POLICY/COPY', hint="e.g. databases/offsite")
    return policy, copy
