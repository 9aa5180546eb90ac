"""The service takes the open files that the system lets it have: a restore holds many at once."""

from __future__ import annotations

import resource

import pytest

from engine.control import __main__ as service

INFINITY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ((1024, 524_288), (65_536, 524_288)),
        ((1024, 4096), (4096, 4096)),
        ((1024, INFINITY), (65_536, INFINITY)),
        ((200_000, 524_288), None),
        ((1024, 1024), None),
        ((INFINITY, INFINITY), None),
    ],
)
def test_the_limit_is_raised_and_never_lowered(
    limits: tuple[int, int], wanted: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
):
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, to: set_to.append(to))

    service.allow_open_files()

    assert set_to == ([] if wanted is None else [wanted])
