"""The restore dialog: what, from which copy, to where; says what it will do before it starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from auxtui import format as fmt
from auxtui.asking import error_text
from auxtui.feed import in_thread
from auxtui.form import FormField, Judgement, Values, words
from auxtui.inert import safe
from auxtui.moments import past_moment_of
from auxtui.present import Cell, Fact, Tone
from auxtui.restoring import Coming, Wanted, marked_words
from auxtui.screens.form import FormScreen
from engine.model.errors import AuxError, UsageError

ANY_COPY = ""
MARKED = "marked"


class RestoreScreen(FormScreen[int]):
    """The dialog; gives the job id."""

    DO = "Restore"
    SAID = "Restore"

    def __init__(self, wanted: Wanted, copies: tuple[str, ...]) -> None:
        """Args:
        wanted: what stands in the form at the start.
        copies: names of the copies of the policy.
        """
        super().__init__((wanted.name, "Restore"), fields_for(wanted, copies))
        self._wanted = wanted

    async def judge(self, values: Values) -> Judgement:
        wrong: dict[str, str] = {}
        wanted = self._read(values, wrong)
        target = str(values["to"]).strip()
        if not target.startswith("/"):
            wrong["to"] = "give a directory that begins with /: it is made when it is not there"
        if wrong:
            return Judgement(wrong=wrong)
        door = self.console.door
        try:
            preview = await in_thread(lambda: door.preview_restore(wanted, to=target))
        except AuxError as err:
            return Judgement(wrong={_field_of(err, wanted): error_text(err)})
        look = self.console.look
        first, *others = preview.copies
        fallback = f", then {', '.join(others)} for what is damaged there" if others else ""
        part = self._part(wanted)
        facts: list[Fact] = [
            (
                "What",
                Cell(
                    f"{part} of backup job {preview.backup_job_id} of {safe(preview.subclient)},"
                    f" {preview.level}, completed {look.time(preview.completed_at)}"
                ),
            ),
            ("Comes back", _coming(preview.coming)),
            _source(first, fallback, preview.bad_on),
            ("To", Cell(safe(target))),
            (
                "Files there",
                Cell("are replaced", Tone.WARN)
                if values["overwrite"]
                else Cell("stay: the restore is refused when one is in its way"),
            ),
        ]
        bad = [name for name in preview.bad_on if name != first]
        for word, names, tone in (
            ("Also on", preview.also_on, Tone.MUTED),
            ("Bad on", bad, Tone.WARN),
            ("Not on", preview.not_on, Tone.MUTED),
        ):
            if names:
                facts.append((word, Cell(safe(", ".join(names)), tone)))
        said = f"{part} from copy {first} to {target}, verified while it is read"
        return Judgement(said=Cell(safe(said)), facts=facts)

    async def finish(self, values: Values, judgement: Judgement) -> int | None:
        wanted, door = self._read(values, {}), self.console.door
        target, overwrite = str(values["to"]).strip(), bool(values["overwrite"])
        self.say(Cell("starting: asking the service"))
        return await in_thread(lambda: door.restore(wanted, to=target, overwrite=overwrite))

    def _read(self, values: Values, wrong: dict[str, str]) -> Wanted:
        as_of: datetime | None = None
        text = str(values.get("as_of", "")).strip()
        if text:
            estate, now = self.console.state.estate, self.console.look.clock()
            try:
                as_of = past_moment_of(text, estate.time_zone if estate else "UTC", now)
            except UsageError as err:
                wrong["as_of"] = error_text(err)
        return replace(
            self._wanted,
            as_of=as_of,
            copy=str(values["copy"]) or None,
            globs=tuple(words(str(values["paths"]))),
            identity_files=tuple(words(str(values["identity_files"]))),
        )

    def _part(self, wanted: Wanted) -> str:
        if wanted.paths:
            return marked_words(set(wanted.paths))
        return safe(", ".join(wanted.globs)) if wanted.globs else "all"


def fields_for(wanted: Wanted, copies: tuple[str, ...]) -> tuple[FormField, ...]:
    """The fields with what stands in them at the start."""
    fields = [
        FormField(
            name="to",
            label="To the directory",
            help="Made when it is not there. Never a library or a landing directory.",
            value=f"{os.path.expanduser('~')}/restore",
        ),
        FormField(
            name="copy",
            label="From copy",
            kind="choice",
            help="any: the lowest precedence first, the next one for what is damaged.",
            choices=(("any, by precedence", ANY_COPY), *((name, name) for name in copies)),
            value=wanted.copy or ANY_COPY,
        ),
        FormField(
            name="paths",
            label="Only paths",
            help="By commas, * for any text: etc/*.conf, srv/www; empty: all.",
            value=", ".join(wanted.globs),
        ),
        FormField(
            name="identity_files",
            label="age key files",
            help="For copies that are encrypted: files of age-keygen, by commas; else empty.",
        ),
        FormField(
            name="overwrite",
            label="Replace files",
            kind="check",
            help="Files that are in the directory already are replaced.",
            value=False,
        ),
    ]
    if wanted.subclient is not None:
        as_of = "" if wanted.as_of is None else wanted.as_of.isoformat(timespec="seconds")
        fields.insert(
            0,
            FormField(
                name="as_of",
                label="As of",
                help="The newest backup then; empty: of all. 18:00, 2026-12-24, 2026-12-24T18:00",
                value=as_of,
            ),
        )
    if wanted.paths:
        marked = marked_words(set(wanted.paths))
        fields.insert(
            0, FormField(name=MARKED, label="Marked", value=marked, fixed=True, help=marked)
        )
    return tuple(fields)


def _coming(coming: Coming | None) -> Cell:
    """How much comes back."""
    if coming is None:
        return Cell("not known here: its index is fetched from a copy first", Tone.MUTED)
    most = "" if coming.is_exact else "at most "
    return Cell(f"{most}{fmt.count(coming.files, 'file')}, {fmt.size(coming.size_bytes)}")


def _source(first: str, fallback: str, bad_on: Sequence[str]) -> Fact:
    if first in bad_on:
        return "From", Cell(
            safe(f"copy {first}, where it is bad: what is right of it comes back"), Tone.WARN
        )
    return "From", Cell(safe(f"copy {first}{fallback}"), Tone.STRONG)


def _field_of(err: AuxError, wanted: Wanted) -> str:
    """The field that a refusal of the engine is about."""
    if "restore to" in err.message or "target" in err.message:
        return "to"
    if wanted.copy is not None and f"copy {wanted.copy}" in err.message:
        return "copy"
    return "as_of" if wanted.as_of is not None else ""
