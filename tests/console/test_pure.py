"""The pure middle of the console: no app is started here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from auxtui import (
    actions,
    columns,
    first_run,
    frame,
    job_facts,
    ledger_filter,
    moments,
    present,
    tree,
)
from auxtui import format as fmt
from auxtui.actions import ACTIONS, Target, World
from auxtui.actions_of_views import ANY
from auxtui.columns import Column, lay_out
from auxtui.feed_values import Pulse
from auxtui.fitting import fold
from auxtui.frame import State
from auxtui.glyphs import ASCII, BLOCK, SETS, UNICODE
from auxtui.health import ALARMS_OF_JOBS, ALARMS_TOLD, Grade, troubles
from auxtui.inert import safe
from auxtui.present import Cell, Look, Tone
from auxtui.restoring import Wanted
from auxtui.screens import restore
from auxtui.screens.base import bindings
from auxtui.site_keys import KEYS
from auxtui.widgets.line_table import fit
from engine.catalog.live_values import LedgerFilter
from engine.catalog.rule_values import SYSTEM_SCHEDULES
from engine.catalog.running_values import ServiceValue
from engine.catalog.watch_values import AlarmValue
from engine.model.errors import UsageError
from engine.model.states import JobCopyState, JobState, Operation
from engine.policy.alerting import AlertKind
from tests.console.sample_catalog import HOSTILE_TEXT, NOW

LOOKS = [Look(glyphs=glyphs, zone=UTC, clock=lambda: NOW) for glyphs in SETS.values()]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (1024, "1.00 KiB"),
        (10 * 1024, "10.0 KiB"),
        (180 * 1024**2, "180 MiB"),
        (int(4.2 * 1024**3), "4.20 GiB"),
        (2**80, "1048576 EiB"),
        (None, "-"),
    ],
)
def test_sizes_have_three_significant_digits(count, text):
    assert fmt.size(count) == text


@given(st.integers(0, 2**63))
def test_sizes_below_an_exbibyte_fit_eight_cells(count):
    assert len(fmt.size(count)) <= 8


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0:00"),
        (33, "0:33"),
        (3725, "1:02:05"),
        (273600, "3 d 04:00"),
        (-5, "0:00"),
    ],
)
def test_durations(seconds, text):
    assert fmt.duration(seconds) == text


@pytest.mark.parametrize(
    ("done", "total", "percent"), [(0, 0, 0), (999, 1000, 99), (1000, 1000, 100), (5, 10, 50)]
)
def test_percent_is_100_only_when_all_is_done(done, total, percent):
    assert fmt.percent(done, total) == percent


def test_times_of_today_have_no_date():
    assert fmt.moment(NOW, UTC, now=NOW + timedelta(hours=1)) == "03:00:00"
    assert fmt.moment(NOW, UTC, now=NOW + timedelta(days=1)) == "2026-03-14 03:00"


def test_numbers_that_are_not_possible_are_refused_with_the_range():
    with pytest.raises(UsageError, match="'x' is not a whole number") as refused:
        fmt.whole_number("x", "Streams", least=1, most=9)
    assert refused.value.hint == "1 to 9"
    with pytest.raises(UsageError, match="10 is not possible"):
        fmt.whole_number("10", "Streams", least=1, most=9)


@given(st.integers(0, 2000), st.integers(1, 1000), st.integers(1, 60), st.sampled_from(LOOKS))
def test_bars_have_their_width(done, total, width, look):
    assert cell_len(present.bar(done, total, width, look.glyphs)) == width


@pytest.mark.parametrize("glyphs", SETS.values())
def test_bars_never_step_back(glyphs):
    lengths = [
        len(present.bar(done, 100, 10, glyphs).replace(glyphs.bar_empty, "")) for done in range(101)
    ]
    assert all(before <= after for before, after in pairwise(lengths))
    assert present.bar(100, 100, 10, glyphs) == glyphs.bar_full * 10


@pytest.mark.parametrize("glyphs", SETS.values())
def test_signs_are_one_cell_wide(glyphs):
    names = [
        n
        for n in glyphs.__slots__
        if n not in ("name", "bar_parts", "spark", "checked", "unchecked")
    ]
    signs = [getattr(glyphs, name) for name in names] + [*glyphs.bar_parts, *glyphs.spark]
    assert {cell_len(sign) for sign in signs} == {1}


def test_ascii_signs_are_ascii():
    for name in ASCII.__slots__:
        assert "".join(getattr(ASCII, name)).isascii()


@pytest.mark.parametrize("glyphs", [UNICODE, BLOCK, ASCII])
def test_every_state_has_a_sign_and_a_word(glyphs):
    for state in JobState:
        assert present.job_sign(state, glyphs)
    for state in JobCopyState:
        cell = present.job_copy_state(state, Look(glyphs=glyphs))
        assert present.word(state) in cell.text


@given(st.text())
def test_safe_text_is_one_inert_line(text):
    made = safe(text)
    assert made.isprintable()
    assert safe("a/b c") == "a/b c"


def test_hostile_names_keep_no_control_character():
    assert "\x1b" not in safe(HOSTILE_TEXT)
    assert "\u202e" not in safe(HOSTILE_TEXT)
    assert "[/red]x" in safe(HOSTILE_TEXT)  # brackets stay as they are


NASTY = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from("\x1b\x07\n\r\t[]\\\u202e\u200d\u0301\u6f22\U0001f469\x9b"),
    ),
    max_size=60,
)


@given(NASTY, st.integers(8, 40))
def test_folded_text_stays_within_its_width_and_is_inert(text, width):
    for line in fold(safe(text), width):
        assert cell_len(line) <= width
        assert line.isprintable()


@settings(deadline=None, max_examples=40)
@given(text=NASTY)
def test_rows_of_things_with_any_name_are_inert(samples, text):
    jobs, lines, estate, _, events = samples
    look = LOOKS[0]
    job = replace(jobs[0], policy=text, copies=(text, text), reason=text, initiated_by=text)
    rows = [
        present.job_row(job, look),
        present.history_row(job, look),
        present.job_copy_row(replace(lines[0], client=text, subclient=text, reason=text), look),
        present.event_row(replace(events[0], message=text, code=text), look),
        *present_tree(replace(estate, commcell=text), look),
    ]
    for row in rows:
        assert all(cell.text.isprintable() for cell in row.cells), row


def present_tree(estate, look):
    """The tree of an estate as rows."""
    return [
        tree.row(node, unfolded=True, worst={}, glyphs=look.glyphs)
        for node in tree.nodes(estate, look)
    ]


@given(st.text(), st.integers(0, 30))
def test_fitted_text_has_exactly_its_width(text, width):
    assert cell_len(fit(safe(text), width)) == width


@given(st.text(max_size=200), st.integers(8, 40))
def test_folded_text_fits_and_keeps_every_word(text, width):
    text = safe(text)
    lines = fold(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


ALL_COLUMNS = {
    name: value
    for name, value in vars(columns).items()
    if isinstance(value, tuple) and value and isinstance(value[0], Column)
}


@pytest.mark.parametrize("name", ALL_COLUMNS)
@pytest.mark.parametrize("width", [59, 79, 119, 199])
def test_every_table_fits_every_width(name, width):
    laid = lay_out(ALL_COLUMNS[name], width)

    assert sum(place.cells + place.gap for place in laid) <= width
    assert all(place.cells >= ALL_COLUMNS[name][place.column].width for place in laid)
    for place, after in pairwise(laid):
        runs_on = (
            ALL_COLUMNS[name][place.column].right and not ALL_COLUMNS[name][after.column].right
        )
        assert place.gap == (2 if runs_on else 1), "a number and the text after it are read as one"


@pytest.mark.parametrize("name", ALL_COLUMNS)
def test_wider_tables_never_lose_a_column(name):
    shown = [
        {place.column for place in lay_out(ALL_COLUMNS[name], width)} for width in range(60, 220)
    ]
    assert all(before <= after for before, after in pairwise(shown))


@pytest.mark.parametrize("look", LOOKS)
def test_rows_have_a_cell_for_each_column(look, samples):
    jobs, lines, estate, streams, events = samples
    pairs = [
        *((present.job_row(job, look), columns.JOBS) for job in jobs),
        *((present.history_row(job, look), columns.HISTORY) for job in jobs),
        *((present.job_copy_row(line, look), columns.LEDGER) for line in lines),
        *((present.copy_row(c, look, with_policy=True), columns.COPIES) for c in estate.copies()),
        *((present.library_row(one, look), columns.LIBRARIES) for one in estate.libraries),
        *((job_facts.stream_row(stream, look), columns.STREAMS) for stream in streams),
        *((present.event_row(event, look), columns.EVENTS) for event in events),
    ]
    for row, expected in pairs:
        assert len(row.cells) == len(expected)
        assert all(cell.text.isprintable() for cell in row.cells)


def test_actions_have_help_and_unique_ids():
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert all(action.label and action.help.endswith(".") for action in ACTIONS)
    assert len(bindings()) == len(ACTIONS) - 1  # enter is the tables'


ABILITIES = frozenset({"menu", "mark", "filter", "state", "sort", "tabs"})


@pytest.mark.parametrize("kind", sorted(ANY))
def test_no_two_actions_share_a_key_in_one_place(kind):
    keys = [
        key
        for action in actions.applicable({kind}, ABILITIES)
        for key in action.keys.split(",")
        if key
    ]
    assert len(keys) == len(set(keys))


def test_read_only_disables_whatever_changes_something():
    world = World(read_only=True)
    for action in ACTIONS:
        reason = action.disabled_because(Target(kind="job", id=1, name="job 1"), world)
        if action.changes:
            assert reason == "this console is read-only"


@pytest.mark.parametrize("state", JobState)
def test_resume_is_offered_for_just_what_the_service_resumes(samples, state):
    job = replace(samples[0][0], state=state)
    reason = actions.BY_ID["job.resume"].disabled_because(
        Target(kind="job", id=job.id, name="job", value=job), World()
    )
    assert (reason == "") == (state in (JobState.SUSPENDED, JobState.PENDING))


@pytest.mark.parametrize("name", SYSTEM_SCHEDULES)
def test_a_system_schedule_cannot_be_deleted_and_it_is_said_what_can_be_done(samples, name):
    schedule = replace(samples[2].schedules[0], name=name)
    reason = actions.BY_ID["item.delete"].disabled_because(
        Target(kind="schedule", id=1, name=name, value=schedule), World()
    )
    assert "it can be disabled (s)" in reason


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_hints_fit_and_always_offer_help(width):
    chosen = actions.applicable({"job"}, ABILITIES)
    cells = frame.hint_cells(chosen, width)
    text = "".join(cell.text for cell in cells)
    assert cell_len(text) <= width
    assert "? Help" in text


def test_status_is_the_outcome_of_the_last_action_first():
    state = State(flash=Cell("done"))
    left, right = frame.status_cells(state, LOOKS[0])
    assert "done" in "".join(cell.text for cell in left)
    assert right == []


def test_answers_are_kept_once_each_and_for_as_long_as_they_take_to_read():
    state = State()
    for text, tone in (("a", Tone.OK), ("b", Tone.WARN), ("asked", Tone.PLAIN), ("a", Tone.OK)):
        state = frame.with_answer(state, Cell(text, tone), NOW)
    assert [one.cell.text for one in state.said] == ["a", "b"]
    assert state.flash == Cell("a", Tone.OK)
    assert frame.reading_s(Cell("a")) == frame.FLASH_S
    assert frame.reading_s(Cell("a" * 240)) == 20


def test_every_operation_has_its_words() -> None:
    assert set(present.OPERATIONS) == set(Operation)


def test_a_service_that_died_says_where_its_log_is():
    pulse = Pulse(
        service=ServiceValue(state="running"), service_alive=False, active=(), recent=(), at=NOW
    )
    found = troubles(None, pulse, log="/home/x/service.log")
    assert [one.hint for one in found] == ["press S to start it; /home/x/service.log says why"]


def test_the_help_of_every_field_fits_the_line_of_a_narrow_terminal():
    helps = [key.help for keys in KEYS.values() for key in keys]
    helps += [one.help for one in first_run.fields_for("vm")]
    helps += [one.help for one in ledger_filter.fields_of(LedgerFilter(), str)]
    wanted = Wanted(subclient="db1/pg")
    helps += [one.help for one in restore.fields_for(wanted, ("primary",))]
    assert [text for text in helps if cell_len(text) > 79] == []


def test_an_alarm_of_which_nothing_else_tells_is_no_all_is_well():
    alarm = AlarmValue(
        id=7,
        kind="nothing-done",
        cause="nothing-done:db1/pg",
        about="db1/pg",
        severity="warning",
        message="db1/pg: no backup for 3 d",
        hint="look at what writes there",
        job_id=None,
        policy="",
        measure=0.0,
        times=1,
        first_at=NOW,
        last_at=NOW,
        cleared_at=None,
    )
    library = replace(alarm, kind="library-offline")

    (found,) = troubles(None, None, alarms=(alarm, library))
    about = {"kind": "failed", "job_id": 44, "about": "backup of db1/www"}
    backup = replace(alarm, **about, message="failed: no space")
    (failed,) = troubles(None, None, alarms=(backup,))

    assert failed.text == "job 44, backup of db1/www: failed: no space"
    assert failed.hint.endswith("8 has the alarm, enter there opens its job, x clears it")
    assert failed.node == ("alarm", 7)
    assert (found.text, found.grade) == ("db1/pg: no backup for 3 d", Grade.WARNING)
    assert found.hint == "look at what writes there; 8 has the alarm, x clears it"
    assert {kind.value for kind in AlertKind} >= ALARMS_TOLD | ALARMS_OF_JOBS


def test_a_run_that_ended_badly_is_told_until_the_next_one_and_once(samples):
    jobs, _, estate, *_ = samples
    policy = replace(estate.policies[0], last_run=(902, "completed_with_errors", "1 failed"))
    job = replace(jobs[0], id=902, state=JobState.COMPLETED_WITH_ERRORS)

    def told(recent):
        pulse = Pulse(service=None, service_alive=True, active=(), recent=recent, at=NOW)
        found = troubles(replace(estate, policies=(policy,)), pulse)
        return [one.text for one in found if "completed with errors" in one.text]

    assert told(()) == [f"policy {safe(policy.name)}: the last run, job 902, completed with errors"]
    (text,) = told((job,))
    assert text.startswith("job 902 completed with errors")


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("library vault is offline: the host key of h has changed: it shows", "stand in between"),
        ("library vault is offline: h refused the login with the key k", "let its key in again"),
        ("its marker cannot be read: permission denied", "give the account"),
        ("the connection to h was lost", "goes on by itself"),
    ],
)
def test_what_to_do_about_a_library_follows_its_reason(samples, reason: str, says: str):
    _, _, estate, *_ = samples
    library = replace(estate.libraries[0], state="offline", state_reason=reason)

    found = troubles(replace(estate, libraries=(library,)), None)

    assert says in next(one.hint for one in found if one.node == ("library", library.id))


def test_a_time_of_day_in_a_filter_of_what_was_is_the_last_one_and_of_what_comes_the_next():
    where = LedgerFilter()
    empty = {one.name: "" for one in ledger_filter.fields_of(where, str)}
    typed = {**empty, "since": "18:00", "retain_until": "18:00"}

    def moment(text):
        return moments.moment_of(text, "UTC", NOW)

    def last(text):
        return moments.last_moment_of(text, "UTC", NOW)

    found, wrong = ledger_filter.read(typed, where, moment, last)
    assert not wrong
    assert found.since <= NOW < found.retain_until
    assert found.retain_until - found.since == timedelta(days=1)
