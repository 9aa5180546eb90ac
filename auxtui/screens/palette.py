"""Find: any task, policy, copy, library, client or job by a few letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from auxtui import actions
from auxtui import format as fmt
from auxtui.actions import Action, Target, keys_text
from auxtui.columns import Column
from auxtui.feed import Answer
from auxtui.inert import safe
from auxtui.present import Cell, Row, Tone
from auxtui.screens.base import HOLD_S
from auxtui.screens.dialog import TextDialog
from auxtui.targets import backup_job_target, job_target
from auxtui.tree import REPORT_NAMES
from auxtui.widgets.line_table import LineTable
from auxtui.widgets.text_field import TextField
from engine.catalog.live import LiveCatalog
from engine.catalog.live_values import Estate, LiveClient
from engine.catalog.running_values import JobValue

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

_COLUMNS = (
    Column(title="", width=12),
    Column(title="", width=30, flex=2),
    Column(title="", width=14, flex=1, rank=1),
)
LINES = 12
_STEPS = {"up": -1, "down": 1, "pageup": -LINES, "pagedown": LINES}


class Candidate(NamedTuple):
    """Something that can be found."""

    what: str
    name: str
    note: str
    result: Action | Target
    reason: str = ""
    """Why it is not possible now."""


def ranked(text: str, candidates: list[Candidate]) -> list[Candidate]:
    """Those with every word of the text; a name that begins with it comes first."""
    words = text.lower().split()
    found = [c for c in candidates if all(w in f"{c.what} {c.name}".lower() for w in words)]
    start = text.lower().strip()
    return sorted(found, key=lambda c: (bool(c.reason), not c.name.lower().startswith(start)))


class _WordsField(TextField):
    """The field above the list: keys that move in the list stay in order among the letters."""

    async def on_key(self, event: events.Key) -> None:
        """Moves in the list; an input would scroll its one line."""
        if event.key in _STEPS and isinstance(self.screen, PaletteScreen):
            event.stop()
            event.prevent_default()
            self.screen.step(_STEPS[event.key])


class PaletteScreen(TextDialog[Action | Target]):
    """The palette."""

    KEYS = "type to find   up down Choose   enter Go   esc Close"
    DEFAULT_CSS = """
    PaletteScreen > #box { width: 110; }
    PaletteScreen .keys { height: auto; }
    """

    def __init__(self, screen: ConsoleScreen) -> None:
        super().__init__("Find a task or a thing")
        self._below = screen
        self._all = _tasks(screen) + _things(screen)
        self._found: list[Candidate] = []
        self._text = ""
        self._of_number: list[Candidate] = []
        """What the number that is typed is."""
        self._asked: int | None = None
        """The number that the catalog is asked about."""
        self._release: Callable[[], None] | None = None
        """Lets go the keys behind an enter that waits for the answer."""

    def compose_box(self) -> Iterator[Widget]:
        yield _WordsField()
        nothing = "nothing with these letters"
        table = LineTable(_COLUMNS, header=False, empty=nothing, glyphs=self.glyphs)
        table.styles.height = max(LINES, self.app.size.height * 2 // 5)
        table.can_focus = False
        yield table

    def on_mount(self) -> None:
        self._show("")
        self.query_one(Input).focus()
        self._below.console.news.subscribe(self, self._look_anew)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.value != self._text:
            self._show(event.value)

    def step(self, rows: int) -> None:
        """Moves the cursor among what is found for the text as it stands."""
        text = self.query_one(Input).value
        if text != self._text:
            self._show(text)
        self.query_one(LineTable).action_move(rows)

    def entered(self, text: str) -> None:
        if text != self._text:
            self._show(text)
        if self._asked is not None:
            self._wait_for_number()
            return
        chosen = self._chosen()
        if chosen is not None and chosen.reason:
            self._say(f"not now: {chosen.reason}")
        elif chosen is not None:
            self.dismiss(chosen.result)

    def _say(self, text: str) -> None:
        """Says something in place of the keys."""
        self.query_one(".keys", Static).update(Content(safe(text)))

    def on_answer(self, message: Answer) -> None:
        """What a number is has been read."""
        message.stop()
        if message.token == self._asked:
            self._of_number = message.value
            self._number_known()

    def on_unmount(self) -> None:
        self._let_keys_go()

    def _wait_for_number(self) -> None:
        """Enter came before the answer: it is for what the number is, and so are the keys behind it."""
        if self._release is None:
            self._release = self._below.console.hold_keys()
            self.set_timer(
                HOLD_S, self._number_known
            )  # a catalog that cannot be read never answers

    def _number_known(self) -> None:
        self._asked = None
        self._draw()
        if self._release is not None and self.is_current:
            self.entered(self.query_one(Input).value)
        self._let_keys_go()

    def _let_keys_go(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

    def _look_anew(self, _: object) -> None:
        """What there is may become known, or change, while it is looked for."""
        everything = _tasks(self._below) + _things(self._below)
        if everything != self._all:
            self._all = everything
            self._draw(self._chosen())

    def _chosen(self) -> Candidate | None:
        key = self.query_one(LineTable).cursor_key
        return self._found[key] if isinstance(key, int) and key < len(self._found) else None

    def _show(self, text: str) -> None:
        self._text = text
        self._say(self.KEYS)
        self._of_number = []
        self._asked = number = _number(text)
        if number is not None:
            self._below.console.feed.ask(self, number, lambda live: _numbered(live, number))
        self._draw()

    def _draw(self, before: Candidate | None = None) -> None:
        """Shows what is found; the cursor stays on what it was on before, or is on the first."""
        known = {one[:2] for one in self._of_number}
        others = ranked(self._text, self._all)
        self._found = [*self._of_number, *(one for one in others if one[:2] not in known)]
        same = (i for i, one in enumerate(self._found) if before and one[:2] == before[:2])
        table = self.query_one(LineTable)
        table.show_rows(
            Row(
                place,
                (
                    Cell(one.what, Tone.MUTED),
                    Cell(safe(one.name), Tone.MUTED if one.reason else Tone.PLAIN),
                    Cell(safe(f"not now: {one.reason}" if one.reason else one.note), Tone.MUTED),
                ),
            )
            for place, one in enumerate(self._found)
        )
        table.move_to(next(same, 0))
        table.refresh()


def _number(text: str) -> int | None:
    """The number of a job that a text may be."""
    number = text.strip()
    is_one = number.isascii() and number.isdigit() and 0 < int(number) < 2**63
    return int(number) if is_one else None


def _numbered(live: LiveCatalog, number: int) -> list[Candidate]:
    """The job and the backup job of a number, as far as there are such."""
    jobs = [_job(job) for job in live.jobs_by_id((number,)).values()]
    backup_jobs = [
        Candidate("backup job", str(number), "on every copy", backup_job_target(job))
        for job in live.backup_jobs_by_id((number,)).values()
    ]
    return jobs + backup_jobs


def _job(job: JobValue) -> Candidate:
    return Candidate("job", f"{job.id} {job.policy}", job.state, job_target(job.id, job))


def _tasks(screen: ConsoleScreen) -> list[Candidate]:
    target = next(iter(screen.targets()), None)
    kinds = {target.kind} if target else set()
    return [
        Candidate(
            "task",
            action.label,
            keys_text(action),
            action,
            action.disabled_because(target, screen.console.world),
        )
        for action in actions.applicable(kinds, screen.abilities())
        if action.id not in ("go.palette", "go.back")
    ]


def _things(screen: ConsoleScreen) -> list[Candidate]:
    state = screen.console.state
    found: list[Candidate] = []
    if state.estate is not None:
        found += _estate_things(state.estate)
    if state.pulse is not None:
        found += [_job(job) for job in (*state.pulse.active, *state.pulse.recent)]
    return found


def _estate_things(estate: Estate) -> list[Candidate]:
    """Everything in the tree, by what it is called there."""
    return [
        *(_thing("policy", p, note=p.description) for p in estate.policies),
        *(_thing("copy", c, f"{c.policy} / {c.name}", c.kind) for c in estate.copies()),
        *(_thing("client", c, note=_holds(c)) for c in estate.clients),
        *(
            _thing("subclient", s, f"{s.client}/{s.name}", s.state)
            for client in estate.clients
            for s in client.subclients
        ),
        *(_thing("library", x, note=x.state) for x in estate.libraries),
        *(_thing("agent", a, what="MediaAgent") for a in estate.media_agents),
        *(_thing("schedule", s, note=s.spec) for s in estate.schedules),
        *(_thing("window", w) for w in estate.windows),
        *(
            Candidate("report", name, "", Target(kind="report", id=number, name=name))
            for number, name in enumerate(REPORT_NAMES)
        ),
    ]


def _thing(kind: str, value: Any, name: str = "", note: str = "", *, what: str = "") -> Candidate:
    target = Target(kind=kind, id=value.id, name=value.name, value=value)
    return Candidate(what or kind, name or value.name, note, target)


def _holds(client: LiveClient) -> str:
    return fmt.count(len(client.subclients), "subclient")
