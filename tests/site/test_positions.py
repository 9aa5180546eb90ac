from __future__ import annotations

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.site.positions import Positions

TEXT = '''# a comment with = and [brackets]
title = "x" # one

[a]
b.c = 1
'd e' = """
[not.a.table]
key = 1
"""
"f\\u0021" = '[no]'

[[rows]]
x = 1
[[rows]]
x = 2
[rows.deep]
y = {p = 1, q = [
  1,
  {r = "}]"},  # element 2
]}
[a."quoted.key"]
z = 1
'''


def test_each_key_has_its_line():
    positions = Positions(TEXT)

    assert positions.line_of(("title",)) == 2
    assert positions.line_of(("a",)) == 4
    assert positions.line_of(("a", "b", "c")) == 5
    assert positions.line_of(("a", "d e")) == 6
    assert positions.line_of(("a", "f!")) == 10
    assert positions.line_of(("rows", 0, "x")) == 13
    assert positions.line_of(("rows", 1, "x")) == 15
    assert positions.line_of(("rows", 1, "deep", "y", "p")) == 17
    assert positions.line_of(("rows", 1, "deep", "y", "q", 1, "r")) == 19
    assert positions.line_of(("a", "quoted.key", "z")) == 22


def test_what_is_not_written_has_the_line_of_the_table_around_it():
    positions = Positions(TEXT)

    assert positions.line_of(("a", "missing", "deeper")) == 4
    assert positions.line_of(("missing",)) == 1


def test_texts_and_tables_in_texts_are_not_keys():
    assert ("not", "a", "table") not in Positions(TEXT)._lines


def test_windows_line_ends_count_once():
    assert Positions(TEXT.replace("\n", "\r\n")).line_of(("rows", 1, "x")) == 15


KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=0, max_size=8)
VALUES = st.recursive(
    st.integers(-5, 5) | st.booleans() | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
@settings(max_examples=60, deadline=None)
def test_every_key_of_any_document_is_found(document):
    import tomli_w

    text = tomli_w.dumps(document)
    found = Positions(text)
    lines = text.replace("\r\n", "\n").split("\n")

    def walk(value, path):
        if isinstance(value, dict):
            for key, inner in value.items():
                assert (*path, key) in found._lines
                assert 1 <= found.line_of((*path, key)) <= len(lines)
                walk(inner, (*path, key))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                walk(inner, (*path, number))

    walk(tomllib.loads(text), ())


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_scanned_to_its_end(text):
    assert Positions(text).line_of(("a", 0)) >= 1
