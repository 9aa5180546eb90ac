"""`auxtui library ...`: state of the libraries, the line to those on other hosts, and which keys these may have."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui import format as fmt
from auxtui.cli.output import say, tell, write_facts, write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, Terms, terms_of
from auxtui.cli.words import found_name
from engine.model.errors import CatalogError, LibraryOffline, UsageError

if TYPE_CHECKING:
    from engine.catalog.live_values import LiveLibrary
    from engine.library.interface import Probe

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="The libraries: what is known of them, a test from end to end, and trust in a host.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the library in the site file.")]


@app.command("list")
def list_libraries(
    ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """The libraries, as the last look at each has found them."""
    terms = terms_of(ctx, home, as_json)
    found = _libraries(terms)
    if terms.as_json:
        write_json({"libraries": [_document(library) for library in found]})
        return
    times = terms.times()
    write_table(
        ["library", "state", "free", "round trip", times.heading("looked at"), "place", "reason"],
        [
            [
                library.name,
                library.state,
                fmt.size(library.free_bytes) if library.free_bytes is not None else "-",
                _latency(library),
                times.cell(library.checked_at),
                library.url,
                library.state_reason,
            ]
            for library in found
        ],
        numbers=["free", "round trip"],
        names=["library", "place"],
        least=["looked at", "round trip"],
    )


@app.command()
def show(
    ctx: typer.Context, name: Name, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """One library: state, space, line, what its host lacks, and its last error."""
    terms = terms_of(ctx, home, as_json)
    library = _library(terms, name)
    uuid = _marker(terms, name)[0] or ""
    if terms.as_json:
        write_json({**_document(library), "uuid": uuid})
        return
    line, times = library.line, terms.times()
    write_facts(
        [
            ("library", library.name),
            ("uuid", uuid),
            ("place", library.url),
            ("state", library.state),
            ("reason", library.state_reason),
            ("free", fmt.size(library.free_bytes) if library.free_bytes is not None else ""),
            ("total", fmt.size(library.total_bytes) if library.total_bytes is not None else ""),
            ("looked at", times.named(library.checked_at)),
            ("reached by", ", ".join(library.media_agents)),
            ("writers", library.writers),
            ("peer", line.peer if line else ""),
            ("round trip", _latency(library) if line else ""),
            ("connections", line.connections or "" if line else ""),
            ("limits", "; ".join(line.limits) if line else ""),
            ("offers", ", ".join(line.offers) if line else ""),
            *(("lacks", lack) for lack in (line.lacks if line else ())),
            ("last error", library.last_error),
            ("at", times.named(library.last_error_at) if library.last_error else ""),
        ]
    )


@app.command("test")
def try_out(
    ctx: typer.Context, name: Name, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Write, sync, rename, read and delete a small file in a library, now and from this process."""
    from engine.library import open_library
    from engine.library.trying import TriesOut

    terms = terms_of(ctx, home, as_json)
    uuid, commcell_id, url = _marker(terms, name)
    library = open_library(name, url, uuid, commcell_id)
    try:
        probe = library.probe()
    except LibraryOffline as err:
        _keep(terms, name, {url: err})
        raise
    _keep(terms, name, {url: probe})
    steps = library.try_out() if isinstance(library, TriesOut) else []
    line = probe.line.document() if probe.line else None
    if terms.as_json:
        write_json(
            {
                "library": name,
                "works": True,
                "steps": [{"step": step.name, "seconds": step.seconds} for step in steps],
                "line": line,
            }
        )
        return
    for step in steps:
        say(f"{step.name}: {step.seconds * 1000:.1f} ms")
    for lack in probe.line.lacks if probe.line else ():
        say(f"lacks: {lack}")
    say(f"library {name} works")


def _keep(terms: Terms, name: str, looks: dict[str, Probe | LibraryOffline]) -> None:
    """Makes what was found the state of the library; that this fails is no reason to say no more."""
    from engine.control.looking import keep_looks

    try:
        keep_looks(terms.home, {name: looks})
    except CatalogError as err:
        tell(f"the state of library {name} was not kept: {err.message}")


@app.command()
def marker(
    ctx: typer.Context, name: Name, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Print what the marker of a library must say, to keep it elsewhere or to write it anew."""
    from engine.catalog import config
    from engine.catalog.opening import open_catalog
    from engine.library.interface import LibraryIdentity
    from engine.library.marker import text_of

    terms = terms_of(ctx, home, as_json)
    uuid, commcell_id, _ = _marker(terms, name)
    if not uuid:
        raise UsageError(
            f"library {name} has no marker yet", hint="it gets one when it is first reached"
        )
    with open_catalog(terms.home) as catalog, catalog.read() as session:
        commcell = config.commcell(session).name
    identity = LibraryIdentity(uuid=uuid, name=name, commcell_id=commcell_id, commcell=commcell)
    sys.stdout.write(text_of(identity).decode("ascii"))


@app.command()
def trust(
    ctx: typer.Context,
    name: Name,
    fingerprint: Annotated[
        str,
        typer.Option(
            "--fingerprint",
            metavar="SHA256:...",
            help="Trust this key and no other, without a question.",
            show_default=False,
        ),
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the key of a library's host, and trust it once you have compared the fingerprint."""
    from engine.library.sftp.library import SftpLibrary
    from engine.library.sftp.trust import pin

    terms = terms_of(ctx, home, as_json)
    library = _library(terms, name)
    if not library.url.startswith("sftp://"):
        raise UsageError(
            f"library {name} has no host key", hint="only libraries over SFTP have one"
        )
    key = SftpLibrary.of_url(name, library.url, uuid="", commcell_id="").host_key()
    if key.is_trusted:
        _say_trust(terms, name, key.fingerprint, "it is trusted already")
        return
    if fingerprint and fingerprint != key.fingerprint:
        raise UsageError(
            f"the host shows {key.fingerprint}, not {fingerprint}: nothing is trusted",
            hint="somebody may stand in between: compare it at the host itself",
        )
    if not fingerprint and not key.is_changed:
        _confirm(terms, key.fingerprint, key.algorithm)
    pin(key)
    _say_trust(terms, name, key.fingerprint, f"it is trusted from now on, in {key.file}")


def _confirm(terms: Terms, fingerprint: str, algorithm: str) -> None:
    """Asks a person; a script must name the fingerprint."""
    if terms.as_json or not sys.stdin.isatty():
        raise UsageError(
            f"the host shows {fingerprint} ({algorithm}): nothing is trusted without a question",
            hint="compare it at the host itself (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then "
            "add: --fingerprint SHA256:...",
        )
    say(f"the host shows {fingerprint} ({algorithm})")
    say("compare it at the host itself: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub")
    if not typer.confirm("is it the same?"):
        raise UsageError("nothing is trusted")


def _say_trust(terms: Terms, name: str, fingerprint: str, text: str) -> None:
    if terms.as_json:
        write_json({"library": name, "fingerprint": fingerprint, "trusted": True})
    else:
        say(f"{fingerprint}: {text}")


def _libraries(terms: Terms) -> tuple[LiveLibrary, ...]:
    with terms.live() as live:
        return live.estate().libraries


def _library(terms: Terms, name: str) -> LiveLibrary:
    found = _libraries(terms)
    found_name(name, (library.name for library in found), "library")
    return next(library for library in found if library.name == name)


def _marker(terms: Terms, name: str) -> tuple[str | None, str, str]:
    """What a library's marker must say, and where it is."""
    from engine.catalog import config
    from engine.catalog.opening import open_catalog

    url = _library(terms, name).url
    with open_catalog(terms.home) as catalog, catalog.read() as session:
        uuid = next(one.uuid for one in config.libraries(session) if one.name == name)
        return uuid, config.commcell(session).uuid, url


def _latency(library: LiveLibrary) -> str:
    line = library.line
    return f"{line.latency_ms:.1f} ms" if line and line.latency_ms is not None else "-"


def _document(library: LiveLibrary) -> dict[str, Any]:
    line = library.line
    return {
        "library": library.name,
        "url": library.url,
        "state": library.state,
        "reason": library.state_reason,
        "free_bytes": library.free_bytes,
        "total_bytes": library.total_bytes,
        "checked_at": library.checked_at.isoformat() if library.checked_at else None,
        "media_agents": list(library.media_agents),
        "writers": library.writers,
        "line": {
            "transport": line.transport,
            "peer": line.peer,
            "latency_ms": line.latency_ms,
            "connections": line.connections,
            "limits": list(line.limits),
            "offers": list(line.offers),
            "lacks": list(line.lacks),
        }
        if line
        else None,
        "last_error": library.last_error,
        "last_error_at": library.last_error_at.isoformat() if library.last_error_at else None,
    }
