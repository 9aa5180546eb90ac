"""Lists that may be long are one JSON document all the same, and are never held as a whole."""

from __future__ import annotations

import json

import pytest

from auxtui.cli.output import write_json_list, write_table


@pytest.mark.parametrize("items", [[], [{"a": 1}], [{"a": 1}, {"b": "\u00e9\n"}, {}]])
def test_a_list_is_written_as_it_comes_and_reads_as_one_document(capsys, items):
    write_json_list({"policy": "databases", "copy": None}, "job_copies", iter(items))

    assert json.loads(capsys.readouterr().out) == {
        "policy": "databases",
        "copy": None,
        "job_copies": items,
    }


def test_items_are_written_before_the_next_is_asked_for(capsys):
    seen: list[str] = []

    def items():
        yield {"first": 1}
        seen.append(capsys.readouterr().out)
        yield {"second": 2}

    write_json_list({"x": 1}, "items", items())

    assert seen[0].endswith('{"first": 1}')


def test_rows_that_can_be_had_again_are_written_before_the_next_is_asked_for(capsys):
    seen: list[str] = []

    class Rows:
        def __iter__(self):
            yield ["a", 1]
            seen.append(capsys.readouterr().out)
            yield ["long", None]

    write_table(["name", "size"], Rows(), numbers=["size"])

    assert seen == ["", "NAME  SIZE\na        1\n"]  # the first pass measures
    assert capsys.readouterr().out == "long     -\n"


def test_rows_that_come_only_once_make_a_table_too(capsys):
    write_table(["name"], iter([["a"], ["b"]]))

    assert capsys.readouterr().out == "NAME\na\nb\n"
