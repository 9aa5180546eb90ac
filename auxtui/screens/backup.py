"""The backup dialog: which level, and whether whatever is found is believed."""

from __future__ import annotations

from functools import partial

from auxtui.feed import in_thread
from auxtui.form import FormField, Judgement, Values
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Tone
from auxtui.screens.form import FormScreen
from engine.catalog.live_values import LiveSubclient
from engine.model.states import Level

OWN_LEVEL = ""
LEVELS = (("as configured", OWN_LEVEL), ("full", "full"), ("incremental", "incremental"))
_WHAT = {
    Level.FULL.value: "All of its content.",
    Level.INCREMENTAL.value: "What is new or changed since the backup before; a full where there is"
    " none, or where its content was configured otherwise.",
}


class BackupScreen(FormScreen[int]):
    """The dialog; gives the job id."""

    DO = "Back Up"
    SAID = "Back Up"

    def __init__(self, subclient: LiveSubclient) -> None:
        """Args:
        subclient: with content of its own.
        """
        name = f"{subclient.client}/{subclient.name}"
        super().__init__((safe(name), "Back Up Now"), fields_for(subclient))
        self._subclient = subclient
        self._full_name = name

    async def judge(self, values: Values) -> Judgement:
        level = str(values["level"]) or self._subclient.level
        facts: list[Fact] = [
            ("What", Cell(_WHAT[level])),
            ("To", Cell(safe(f"the primary copy of policy {self._subclient.policy}"))),
            (
                "Little left",
                Cell("is believed, whatever is gone", Tone.WARN)
                if values["accept"]
                else Cell("is backed up too, and stops aging until somebody has looked"),
            ),
        ]
        return Judgement(said=Cell(safe(f"{level} backup of {self._full_name}")), facts=facts)

    async def finish(self, values: Values, judgement: Judgement) -> int | None:
        level, accept = str(values["level"]) or None, bool(values["accept"])
        self.say(Cell("starting: asking the service"))
        return await in_thread(
            partial(self.console.door.backup, self._full_name, level=level, accept=accept)
        )


def fields_for(subclient: LiveSubclient) -> tuple[FormField, ...]:
    """The fields with what stands in them at the start."""
    return (
        FormField(
            name="level",
            label="Level",
            kind="choice",
            help=f"As configured: {subclient.level}. The first incremental is a full.",
            choices=LEVELS,
            value=OWN_LEVEL,
        ),
        FormField(
            name="accept",
            label="Believe what is found",
            kind="check",
            help="However little is left, after a clean-up; else what shrank stops aging.",
            value=False,
        ),
    )
