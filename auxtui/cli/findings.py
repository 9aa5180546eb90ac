"""Findings of checks: printed, as JSON, as an exit code."""

from __future__ import annotations

from collections.abc import Sequence

from auxtui.cli.output import say, write_json
from engine.catalog.values import Finding
from engine.model.errors import EXIT_FAILED, EXIT_OK
from engine.model.states import Severity

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def show_findings(found: Sequence[Finding], *, as_json: bool, well: str) -> None:
    """Prints findings, the worst first.

    Args:
        found: what was found.
        as_json: as the document of the contract.
        well: what is said when nothing needs attention.
    """
    ordered = sorted(found, key=lambda finding: _ORDER.index(finding.severity))
    if as_json:
        write_json(
            {
                "findings": [
                    {"severity": each.severity.value, "what": each.what, "hint": each.hint}
                    for each in ordered
                ]
            }
        )
        return
    for each in ordered:
        say(f"{each.severity.value:<7}  {each.what}")
        if each.hint:
            say(f"         -> {each.hint}")
    if all(each.severity is Severity.INFO for each in found):
        say(well)


def exit_code_of(found: Sequence[Finding]) -> int:
    """Failed when an error was found; a warning or a remark is none."""
    return EXIT_FAILED if any(f.severity is Severity.ERROR for f in found) else EXIT_OK
