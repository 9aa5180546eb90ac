"""`auxtui export`: the configuration as a site file."""

from __future__ import annotations

import typer

from auxtui.cli.output import write_text
from auxtui.cli.terms import HomeOption, terms_of

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def export(ctx: typer.Context, home: HomeOption = None) -> None:
    """Print the configuration as a site file; applying it changes nothing."""
    from engine.catalog.opening import open_catalog
    from engine.site.exporting import export_site

    with open_catalog(terms_of(ctx, home).home) as catalog:
        text = export_site(catalog)
    write_text(text)
