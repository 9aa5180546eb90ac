"""What every command is told: which CommCell, and whether a person or a program reads the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from engine.catalog.home import Home

if TYPE_CHECKING:
    from auxtui.cli.times import Times
    from engine.catalog.live import LiveCatalog

HomeOption = Annotated[
    str | None,
    typer.Option(
        "--home", metavar="DIR", help="Where the state is; else AUXTUI_HOME.", show_default=False
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output.", show_default=False)
]
HereOption = Annotated[
    bool,
    typer.Option(
        "--here",
        help="Run the service inside this command until its job ends; no other may run.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Where the state is and how to answer."""

    home: Home
    as_json: bool

    def live(self) -> LiveCatalog:
        """The quick, read-only view of the catalog.

        Raises:
            NotFoundError: there is none yet.
        """
        from engine.catalog.live import LiveCatalog
        from engine.control.lock import is_held

        return LiveCatalog(self.home.catalog, is_alive=lambda: is_held(self.home.service_lock))

    def times(self) -> Times:
        """How times are told to a person: in the zone of the CommCell."""
        from auxtui.cli.times import times_of

        return times_of(self.home)


def terms_of(ctx: typer.Context, home: str | None, as_json: bool = False) -> Terms:
    """The terms of a command; what it does not say itself, the program's own options say."""
    root = ctx.find_root().params
    return Terms(
        home=Home.find(home or root.get("home")), as_json=as_json or bool(root.get("as_json"))
    )


def whoami() -> str:
    """Who asks: `user@host`."""
    from auxtui.door import whoami as user_and_host

    return user_and_host()
