"""The filter form of the backup jobs on a copy."""

from __future__ import annotations

from datetime import datetime

from auxtui.feed import in_thread
from auxtui.form import Judgement, Values
from auxtui.ledger_filter import fields_of, read
from auxtui.moments import last_moment_of, moment_of
from auxtui.present import Cell
from auxtui.screens.form import FormScreen
from engine.catalog.live_values import LedgerFilter


class LedgerFilterScreen(FormScreen[LedgerFilter]):
    """Gives the filter."""

    DO = "Filter"

    def __init__(self, where: LedgerFilter, name: str, zone: str) -> None:
        """Args:
        where: the filter as it is.
        name: of the copy.
        zone: IANA name, in which times are typed.
        """
        super().__init__((name, "Filter"), fields_of(where, _typed))
        self._where = where
        self._zone = zone

    async def judge(self, values: Values) -> Judgement:
        found, wrong = await in_thread(lambda: self._read(values))
        said = f"{found.parts} of {len(values)} parts filter" if found.parts else "shows all"
        return Judgement(wrong=wrong, said=Cell(said))

    async def finish(self, values: Values, judgement: Judgement) -> LedgerFilter | None:
        return self._read(values)[0]

    def _read(self, values: Values) -> tuple[LedgerFilter, dict[str, str]]:
        zone, now = self._zone, self.console.look.clock()
        return read(
            values,
            self._where,
            lambda text: moment_of(text, zone, now),
            lambda text: last_moment_of(text, zone, now),
        )


def _typed(at: datetime) -> str:
    return at.isoformat(timespec="minutes")
