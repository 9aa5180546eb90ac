"""The edge where errors end: a user error is one or two lines and an exit code, a bug goes to the log."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from auxtui.cli import output
from auxtui.cli.output import tell
from auxtui.inert import safe
from engine.catalog.home import Home
from engine.model.errors import EXIT_FAILED, AuxError


def guarded(call: Callable[[], int], given: list[str]) -> int:
    """Runs what was asked for; returns its exit code, or that of the error that ended it.

    Args:
        call: what was asked for.
        given: the arguments, for the log and for how errors are written.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8
    try:
        code = call()
        _flush()
    except AuxError as err:
        report(err.message, err.hint, given)
        return err.exit_code
    except PermissionError as err:
        report(f"cannot use {err.filename}: {err.strerror}", "look at its owner", given)
        return EXIT_FAILED
    except OSError as err:
        if not _is_of_output(err):
            _report_bug(err, given)
            return EXIT_FAILED
        if isinstance(err, BrokenPipeError):  # whoever read it has enough
            return EXIT_FAILED
        report(
            f"cannot write the answer: {(err.strerror or str(err)).lower()}",
            "what was asked for may be done all the same: look where the output goes, and ask again",
            given,
        )
        return EXIT_FAILED
    except Exception as err:  # noqa: BLE001 - the edge: a bug becomes a line in the log
        _report_bug(err, given)
        return EXIT_FAILED
    return code


def _flush() -> None:
    sys.stdout.flush()


def _is_of_output(err: OSError) -> bool:
    """True when it was raised by writing to standard output, which is given up then.

    Only the innermost frame tells: what is written may be read while it is written, and fail there.
    """
    innermost = traceback.extract_tb(err.__traceback__)[-1].filename
    if innermost not in (__file__, output.__file__, json.__file__):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python tries again at its end
    return True


def report(message: str, hint: str, given: list[str]) -> None:
    """Writes an error: for a person, or as JSON where that was asked for."""
    options = given[: given.index("--")] if "--" in given else given
    if "--json" in options:
        sys.stderr.write(json.dumps({"error": message, "hint": hint}) + "\n")
        return
    tell(f"auxtui: {message}")
    if hint:
        tell(f"  {hint}")


def _report_bug(err: Exception, given: list[str]) -> None:
    """Writes the traceback where it can be found later, and says where."""
    home = Home.find(_home_in(given))
    trace = "".join(traceback.format_exception(err))
    command = " ".join(safe(word) for word in given)
    try:
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(home.service_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{datetime.now(UTC).isoformat()} auxtui {command}\n{trace}\n")
        where = f"the details are in {home.service_log}"
    except OSError:
        sys.stderr.write(trace)
        where = "the log of the home cannot be written; the details are above"
    report(f"internal error: {type(err).__name__}: {err}", where, given)


def _home_in(given: list[str]) -> str | None:
    for at, word in enumerate(given):
        if word == "--home" and at + 1 < len(given):
            return given[at + 1]
        if word.startswith("--home="):
            return word.removeprefix("--home=")
    return None
