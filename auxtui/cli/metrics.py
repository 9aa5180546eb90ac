"""`auxtui metrics`: numbers for Prometheus, printed once or served."""

from __future__ import annotations

import sys
import threading
from typing import Annotated

import typer

from auxtui.cli.output import tell
from auxtui.cli.terms import HomeOption, terms_of
from engine.model.errors import ServiceError, UsageError

app = typer.Typer(rich_markup_mode=None, add_completion=False)

HOST = "127.0.0.1"


@app.command()
def metrics(
    ctx: typer.Context,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="[HOST:]PORT",
            help=f"Serve them at /metrics until stopped; on {HOST} unless told otherwise.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Print numbers for Prometheus, or serve them. Reads the catalog; needs no service."""
    from prometheus_client import CollectorRegistry, generate_latest, start_http_server

    from auxtui.cli.measuring import CatalogCollector

    terms = terms_of(ctx, home)
    terms.live().close()  # a catalog that is not there is said now, not at the first scrape
    registry = CollectorRegistry(auto_describe=False)
    registry.register(CatalogCollector(terms.home))
    if listen is None:
        sys.stdout.write(generate_latest(registry).decode())
        return
    host, port = address_of(listen)
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as err:
        raise ServiceError(
            f"cannot listen on {host}:{port}: {err.strerror}", hint="name another port"
        ) from err
    tell(f"metrics at http://{host}:{server.server_port}/metrics")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `[HOST:]PORT`; an IPv6 address stands in brackets.

    Raises:
        UsageError: it is no such thing.
    """
    host, _, port = text.rpartition(":")
    hint = f"{HOST}:9464, or [::1]:9464"
    try:
        number = int(port)
    except ValueError as err:
        raise UsageError(f"{text!r} is not HOST:PORT", hint=hint) from err
    if not 0 <= number <= 65_535:
        raise UsageError(f"port {number} is out of range", hint=hint)
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise UsageError(f"{text!r} is not HOST:PORT", hint=hint)
    return host.strip("[]") or HOST, number
