"""The program: its commands by name, imported when they are called."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from auxtui.cli.edge import guarded, report
from auxtui.cli.terms import HomeOption, JsonOption
from engine.catalog.home import Home
from engine.model.errors import EXIT_FAILED, EXIT_USAGE

# Name -> module below auxtui.cli, and the line that help shows.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "A small real CommCell to try auxtui on."),
    "apply": ("apply", "Make the configuration as a site file says."),
    "export": ("export", "Print the configuration as a site file."),
    "scan": ("scan", "Adopt new backup jobs from landing directories."),
    "backup": ("backup", "Back up the content of a subclient."),
    "auxcopy": ("auxcopy", "Run an auxiliary copy, or show its plan."),
    "jobs": ("jobs", "The job controller and the job history."),
    "job": ("job", "One job: show, wait, suspend, resume, kill ..."),
    "watch": ("watch", "Follow jobs, one line per event."),
    "copies": ("copies", "The ledger: backup jobs on a copy, and why."),
    "events": ("events", "The event log: what happened, and who changed what."),
    "why": ("why", "Why a backup job is or is not on a copy."),
    "pick": ("pick", "Copy these backup jobs, whatever the rules say."),
    "unpick": ("unpick", "Do not copy these backup jobs."),
    "prioritise": ("prioritise", "Copy these backup jobs sooner or later than others."),
    "recopy": ("recopy", "Copy these backup jobs anew."),
    "mark-bad": ("mark_bad", "Mark these job copies bad."),
    "verify": ("verify", "Read copies and compare every byte."),
    "repair": ("repair", "Make damaged job copies anew from good ones."),
    "aging": ("aging", "Take away what retention does not keep."),
    "retain": ("retain", "Keep these job copies beyond their retention."),
    "promote": ("promote", "Make a synchronous copy the primary."),
    "restore": ("restore", "Get a backup job back into a directory."),
    "schedule": ("schedule", "When operations start by themselves."),
    "window": ("window", "When operations must not run, and why not now."),
    "activity": ("activity", "Switch operations off and on."),
    "library": ("library", "The libraries: state, line, test, trust in a host."),
    "media-agent": ("media_agent", "The MediaAgents: online or not, data paths."),
    "forecast": ("forecast", "When copies will be caught up, and which fell behind."),
    "alert": ("alert", "What is told to whom: list, test, clear."),
    "metrics": ("metrics", "Numbers for Prometheus."),
    "service": ("service", "The process that runs the jobs."),
    "catalog": ("catalog", "Check the catalog, back it up, or rebuild it."),
    "theme-check": ("theme_check", "Whether the themes of the console can be read."),
    "keys": ("keys", "The keys of the console, as they are in force."),
    "doctor": ("doctor", "What is wrong here, and what to do about it."),
}
# Typer's ClickException, which it does not export: the root of all that says "wrong use".
_WrongUse: Any = typer.BadParameter.__mro__[2]
EPILOG = (
    "Exit codes: 0 done, 1 failed or completed with errors, 2 wrong use, 3 killed, "
    "4 no such thing, 75 try again later."
)


class _Commands(MutableMapping[str, Any]):
    """The commands by name; a module is imported when its command is asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            module = import_module(f"auxtui.cli.{COMMANDS[name][0]}")
            command = typer.main.get_command(module.app)
            command.name = name
            self._loaded[name] = command
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are not taken away")

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Program(TyperGroup):
    """Knows the names and summaries of its commands without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


app = typer.Typer(
    cls=_Program,
    name="auxtui",
    help="Keeps second and third copies of backups, proves that they are whole, gets data back. "
    "Without a command: the console.",
    epilog=EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        sys.stdout.write(f"auxtui {version('auxtui')}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def program(
    ctx: typer.Context,
    home: HomeOption = None,
    as_json: JsonOption = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Console: look only.", show_default=False)
    ] = False,
    slow: Annotated[
        bool,
        typer.Option("--slow", help="Console: for a very slow line.", show_default=False),
    ] = False,
    mouse: Annotated[
        bool | None,
        typer.Option("--mouse/--no-mouse", help="Console: use the mouse.", show_default=False),
    ] = None,
    glyphs: Annotated[
        str | None,
        typer.Option("--glyphs", help="Console: unicode, block or ascii.", show_default=False),
    ] = None,
    theme: Annotated[
        str | None, typer.Option("--theme", help="Console: a theme by name.", show_default=False)
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_show_version,
            help="Print the version.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Starts the console when no command is named."""
    if ctx.invoked_subcommand is None:
        from auxtui.cli.console import console_settings, open_console

        settings = console_settings(
            read_only=read_only, slow=slow, mouse=mouse, glyphs=glyphs, theme=theme
        )
        raise typer.Exit(open_console(Home.find(home), settings))


def main(arguments: list[str] | None = None) -> int:
    """Runs the program; returns its exit code.

    Args:
        arguments: those after the program's name; None: those of this process.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: _run(given), given)


def _run(given: list[str]) -> int:
    try:
        code = typer.main.get_command(app).main(
            args=given, prog_name="auxtui", standalone_mode=False
        )
        return code if isinstance(code, int) else 0
    except _WrongUse as err:
        hint = f"{_command_of(err)} --help shows what is possible"
        report(err.format_message().rstrip("."), hint, given)
        return EXIT_USAGE
    except typer.Abort:
        report("stopped", "", given)
        return EXIT_FAILED


def _command_of(err: Exception) -> str:
    ctx = getattr(err, "ctx", None)
    return str(ctx.command_path) if ctx is not None else "auxtui"
