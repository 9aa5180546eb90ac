"""First steps: from an empty home to the plan of the first run, on one screen."""

from __future__ import annotations

import os

from auxtui import format as fmt
from auxtui.asking import error_text
from auxtui.feed import in_thread
from auxtui.first_run import LANDING, LIBRARY, POLICY, document_of, fields_for, steps, wrong_field
from auxtui.form import Judgement, Values
from auxtui.present import Cell, Tone
from auxtui.screens.form import FormScreen
from engine.model.errors import AuxError, SiteError


class FirstRunScreen(FormScreen[str]):
    """The guide; gives the name of the policy when its backup jobs are adopted."""

    DO = "Apply"

    def __init__(self) -> None:
        super().__init__(("First steps",), fields_for(os.uname().nodename))
        self.begins_empty = True

    def on_mount(self) -> None:
        super().on_mount()
        self.say(Cell("keeps a second copy of your backups; esc leaves, nothing is changed"))

    async def judge(self, values: Values) -> Judgement:
        missing = {
            name: "give a directory that begins with /"
            for name in (LANDING, LIBRARY)
            if not str(values[name]).strip().startswith("/")
        }
        if missing:
            said = Cell("keeps a second copy of your backups; esc leaves, nothing is changed")
            return Judgement(wrong=missing, said=said, facts=steps(values))
        try:
            await self._apply(values, dry_run=True)
        except SiteError as err:
            return Judgement(wrong={wrong_field(err.path, values): error_text(err)})
        return Judgement(said=Cell("all is right: f2 applies it", Tone.OK), facts=steps(values))

    async def finish(self, values: Values, judgement: Judgement) -> str | None:
        self.say(Cell("writing the configuration"))
        try:
            await self._apply(values, dry_run=False)
        except SiteError as err:
            self._show_wrong({wrong_field(err.path, values): error_text(err)})
            return None
        policy = str(values[POLICY]).strip()
        self.say(Cell("looking for backups"))
        try:
            found = await in_thread(lambda: self.console.door.scan(None))
        except AuxError as err:
            self.console.flash(Cell(f"scan: {error_text(err)}", Tone.BAD))
            return policy
        adopted, left = len(found.get("adopted", ())), len(found.get("left", ()))
        text = f"{fmt.count(adopted, 'backup job')} adopted, {left} left until they have settled"
        self.console.flash(Cell(text, Tone.OK if adopted else Tone.WARN))
        return policy

    async def _apply(self, values: Values, *, dry_run: bool) -> None:
        door = self.console.door

        def apply() -> None:
            door.apply_site(document_of(values, door.site()), dry_run=dry_run)

        await in_thread(apply)
