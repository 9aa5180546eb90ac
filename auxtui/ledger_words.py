"""One backup job on a copy in a line: decided by whom and when, verified, retained and until when. Pure."""

from __future__ import annotations

from auxtui.inert import safe
from auxtui.present import Cell, Look, Tone, job_copy_why
from engine.catalog.live_values import LiveJobCopy

_DECIDED = {
    "picked": "picked",
    "do_not_copy": "not to be copied",
    "recopy": "to be copied anew",
    "bad": "marked bad",
}
USUAL_PRIORITY = 5


def line_words(line: LiveJobCopy, look: Look) -> Cell:
    """All that is known of a job copy; its reason in full, for which the list may be too narrow."""
    why = job_copy_why(line)
    parts = [why] if why else []
    if line.decision:
        word = _DECIDED.get(line.decision, line.decision)
        parts.append(f"{word} by {line.decided_by}, {look.time(line.decided_at)}")
    if line.priority != USUAL_PRIORITY:
        parts.append(f"priority {line.priority}")
    if line.pinned_by:
        until = "for good" if line.pinned_until is None else f"until {look.time(line.pinned_until)}"
        parts.append(f"retained {until} by {line.pinned_by}, {look.time(line.pinned_at)}")
    elif line.retained_by:
        until = "" if line.retain_until is None else f" until {look.time(line.retain_until)}"
        parts.append(f"kept by {line.retained_by}{until}")
    verified = "never verified"
    if line.verified_at is not None:
        verified = f"verified {line.verification}, {look.time(line.verified_at)}"
    parts.append(verified)
    tone = Tone.BAD if line.verification == "failed" else Tone.PLAIN
    return Cell(safe(f"{line.backup_job_id}: {'; '.join(parts)}"), tone)
