from __future__ import annotations

import pytest

from engine.model.errors import EXIT_USAGE, SiteError
from engine.model.states import CopyKind, SubclientKind
from engine.site.configuration import Configuration
from engine.site.reading import read_site
from engine.site.section import Section, SiteText
from tests.site.wrong_files import SOUND, WRONG, WRONG_AT_THE_TABLE

MIB = 1024 * 1024


def read(text: str) -> Configuration:
    return read_site(text, "site.toml", implied_media_agent="host1")


def line_of_the_mistake(name: str, text: str) -> int:
    if name in WRONG_AT_THE_TABLE:
        return WRONG_AT_THE_TABLE[name]
    marked = [n for n, line in enumerate(text.splitlines(), start=1) if "<-- here" in line]
    assert len(marked) == 1
    return marked[0]


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_message_with_file_line_and_words(name):
    added, words = WRONG[name]
    is_root = name == "text for a table"
    text = added + SOUND if is_root else SOUND + added

    with pytest.raises(SiteError) as caught:
        read(text)

    message = caught.value.message
    assert message.startswith(f"site.toml:{line_of_the_mistake(name, text)}: "), message
    for word in words:
        assert word in message + caught.value.hint
    assert "\n" not in message
    assert "\x1b" not in message
    assert caught.value.exit_code == EXIT_USAGE


def test_the_corpus_is_sound_without_its_mistakes():
    assert list(read(SOUND).policies) == ["databases"]


def test_the_primary_is_made_by_itself():
    found = read(SOUND)

    primary = found.copies["databases", "primary"]
    assert primary.kind is CopyKind.PRIMARY
    assert primary.library == ""
    assert primary.precedence == 1
    assert found.copies["databases", "offsite"].precedence == 2


def test_a_copy_named_otherwise_can_be_the_primary():
    text = SOUND + '[policies.databases.copies.here]\nkind = "primary"\nretain = "30d"\n'

    found = read(text)

    assert ("databases", "primary") not in found.copies
    assert found.copies["databases", "here"].kind is CopyKind.PRIMARY
    assert found.copies["databases", "here"].precedence == 1


def test_the_only_media_agent_reaches_all_libraries():
    found = read(SOUND)

    assert {item.media_agents for item in found.libraries.values()} == {("store1",)}


def test_without_media_agents_the_host_is_one_with_the_zone_of_the_commcell():
    text = SOUND.replace("[media_agents.store1]", '[commcell]\ntime_zone = "Asia/Tokyo"')

    found = read(text)

    assert found.media_agents["host1"].time_zone == "Asia/Tokyo"
    assert found.libraries["vault"].media_agents == ("host1",)


def test_several_media_agents_must_be_named():
    with pytest.raises(SiteError, match='needs "media_agents": there are 2'):
        read(SOUND + "[media_agents.store2]\n")


def test_content_needs_a_library_for_the_primary():
    text = SOUND + '[clients.w.subclients.c]\npolicy = "databases"\ncontent = ["/srv/www"]\n'

    with pytest.raises(SiteError, match='needs "library"'):
        read(text)

    found = read(text + '[policies.databases.copies.primary]\nlibrary = "fast"\n')
    assert found.subclients["w", "c"].kind is SubclientKind.CONTENT


def test_the_primary_as_source_is_the_same_as_no_source():
    text = SOUND + '[policies.databases.copies.more]\nlibrary = "fast"\nsource = '

    assert read(text + '"primary"').copies["databases", "more"].source == ""
    assert read(text + '"offsite"').copies["databases", "more"].source == "offsite"


def test_free_precedences_go_around_those_that_are_written():
    text = SOUND + (
        '[policies.databases.copies.a]\nlibrary = "fast"\nprecedence = 1\n'
        '[policies.databases.copies.b]\nlibrary = "fast"\n'
    )

    numbers = {copy.name: copy.precedence for copy in read(text).copies.values()}

    assert numbers == {"a": 1, "primary": 2, "offsite": 3, "b": 4}


def test_values_are_in_seconds_and_bytes():
    text = SOUND + (
        '[policies.databases.copies.more]\nlibrary = "fast"\nretain = "7y"\ndefer = "2d"\n'
        'throttle = "200MiB/s"\n'
    )

    copy = read(text).copies["databases", "more"]

    assert (copy.retain_s, copy.defer_s) == (7 * 365 * 86400, 2 * 86400)
    assert copy.throttle_bps == 200 * MIB


def test_a_timetable_keeps_its_rows_with_the_limit_in_bytes():
    text = SOUND + (
        '[policies.databases.copies.more]\nlibrary = "fast"\n'
        'throttle = [{days = "mon-fri", from = "08:00", to = "18:00", limit = "50MiB/s"}]\n'
    )

    (row,) = read(text).copies["databases", "more"].throttle_timetable

    assert row["limit_bps"] == 50 * MIB
    assert (row["days"], row["from"], row["to"]) == ("mon-fri", "08:00", "18:00")


def test_a_date_is_midnight_in_the_zone_of_the_commcell():
    text = SOUND + (
        '[commcell]\ntime_zone = "Europe/Berlin"\n'
        '[policies.databases.copies.more]\nlibrary = "fast"\non_and_after = 2026-07-01\n'
    )

    moment = read(text).copies["databases", "more"].on_and_after

    assert moment is not None
    assert moment.isoformat() == "2026-06-30T22:00:00+00:00"
    quoted = read(text.replace("2026-07-01", '"2026-07-01"'))
    assert quoted.copies["databases", "more"].on_and_after == moment


def test_retained_for_ever_can_be_said():
    text = SOUND + '[policies.databases.copies.more]\nlibrary = "fast"\nretain = "forever"\n'

    assert read(text).copies["databases", "more"].retain_s is None


def test_an_empty_file_is_an_empty_configuration():
    assert read("") == Configuration()


def test_no_depth_or_number_breaks_the_reader():
    with pytest.raises(SiteError, match=r"site.toml:\d+: not TOML"):
        read("x = " + "[" * 100_000)
    with pytest.raises(SiteError, match=r"site.toml:1: "):
        read("x = " + "1" * 10_000)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("", 'must be a whole number, and is "many"'),
        ("site.toml", "must be a whole number, and is a text in quotes"),
    ],
)
def test_a_text_that_is_no_number_is_named(file, said):
    section = Section(SiteText('n = "many"\n', file), (), {"n": "many"}, ("n",))
    with pytest.raises(SiteError) as refused:
        section.integer("n", 1, 1, 9)
    assert refused.value.message.endswith(said)


def test_where_no_key_can_stand_none_are_listed():
    with pytest.raises(SiteError) as refused:
        Section(SiteText("x = 1\n", ""), (), {"x": 1}, ())
    assert refused.value.hint == "no key can stand here"


def test_no_recipients_are_no_encryption_where_blocks_are_shared():
    found = read(
        SOUND
        + '[policies.databases.copies.more]\nlibrary = "fast"\nencrypt_to = []\nreflink = true\n'
    )

    assert found.copies["databases", "more"].reflink
