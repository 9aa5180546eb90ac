"""`auxtui alert ...`: what is told to whom, whether it arrives, and what stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui import format as fmt
from auxtui.cli.output import say, write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.cli.words import found_name, name_of
from engine.model.errors import UsageError

if TYPE_CHECKING:
    from auxtui.cli.times import Times
    from engine.catalog.values import AlertValue
    from engine.catalog.watch_values import AlarmValue, AlertMessageValue

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="What is told to whom, whether it arrives, and what is not well now.",
)


@app.command("list")
def list_alerts(
    ctx: typer.Context,
    history: Annotated[
        bool,
        typer.Option("--history", help="Also alarms that have cleared.", show_default=False),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The alerts, the alarms that stand, and what was told or waits to be delivered."""
    terms = terms_of(ctx, home, as_json)
    alerts = _alerts(terms)
    with terms.live() as live:
        alarms = live.alarms(standing=not history)
        messages = live.alert_messages(limit=100)
    if terms.as_json:
        from engine.catalog.live_documents import alarm_document, alert_message_document

        write_json(
            {
                "alerts": [_alert_document(each, messages) for each in alerts],
                "alarms": [alarm_document(each) for each in alarms],
                "messages": [alert_message_document(each) for each in messages],
            }
        )
        return
    times = terms.times()
    _show_alerts(alerts, messages, times)
    _show_alarms(alarms, times)


def _show_alerts(
    alerts: list[AlertValue], messages: tuple[AlertMessageValue, ...], times: Times
) -> None:
    if not alerts:
        say("no alert is configured: nobody is told of anything ([alerts.NAME] in the site file)")
        return
    rows = []
    for each in alerts:
        document = _alert_document(each, messages)
        rows.append(
            [
                each.name,
                ", ".join(each.on_events) or "jobs that name it",
                document["destination"],
                document["waiting"],
                times.cell(_last_sent(each.name, messages)),
                document["error"],
            ]
        )
    write_table(
        ["alert", "on", "to", "waiting", times.heading("last delivered"), "reason"],
        rows,
        numbers=["waiting"],
        names=["alert", "on", "to"],
        least=["on", "last delivered"],
    )


def _show_alarms(alarms: tuple[AlarmValue, ...], times: Times) -> None:
    if not alarms:
        say("no alarm stands")
        return
    write_table(
        [
            "alarm",
            "kind",
            "about",
            times.heading("since"),
            "times",
            times.heading("cleared"),
            "reason",
            "next step",
        ],
        [
            [
                each.id,
                each.kind,
                each.about,
                times.cell(each.first_at),
                each.times,
                times.cell(each.cleared_at) if each.cleared_at else None,
                each.message,
                each.hint,
            ]
            for each in alarms
        ],
        numbers=["alarm", "times"],
        names=["about"],
        least=["times", "cleared", "since"],
    )


@app.command("test")
def try_out(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="An alert of the site file.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deliver a test message now, and say whether it was accepted."""
    from engine.control.trials import send_trial

    terms = terms_of(ctx, home, as_json)
    found_name(name_of(name, "alert"), [each.name for each in _alerts(terms)], "alert")
    where, note = send_trial(terms.home, name)
    if terms.as_json:
        write_json({"alert": name, "destination": where, "note": note})
    else:
        say(f"accepted by {where}{f'; {note}' if note else ''}")


@app.command()
def clear(
    ctx: typer.Context,
    alarms: Annotated[
        list[int] | None, typer.Argument(metavar="[ALARM]...", help="Ids of `alert list`.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All that stand.", show_default=False)
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that alarms are dealt with; what is still wrong comes again."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    if bool(alarms) == every:
        raise UsageError("name alarms, or --all", hint="their ids: auxtui alert list")
    cleared = frontdoor.clear_alarms(terms.home, None if every else alarms, by=whoami())
    if terms.as_json:
        write_json({"alarms": cleared})
    else:
        say(f"{fmt.count(len(cleared), 'alarm')} cleared")


def _alerts(terms: Terms) -> list[AlertValue]:
    from engine.catalog import config
    from engine.catalog.opening import open_catalog

    with open_catalog(terms.home) as catalog, catalog.read() as session:
        return config.alerts(session)


def _alert_document(alert: AlertValue, messages: tuple[AlertMessageValue, ...]) -> dict[str, Any]:
    from engine.catalog.live_documents import iso
    from engine.policy.destinations import destination_from

    own = [message for message in messages if message.alert == alert.name]
    waiting = [message for message in own if message.state == "waiting"]
    return {
        "name": alert.name,
        "on": list(alert.on_events),
        "destination": destination_from(alert.to, alert.options).label,
        "waiting": len(waiting),
        "last_delivered_at": iso(_last_sent(alert.name, messages)),
        "error": next((message.error for message in waiting if message.error), ""),
    }


def _last_sent(name: str, messages: tuple[AlertMessageValue, ...]) -> Any:
    return max(
        (each.sent_at for each in messages if each.alert == name and each.sent_at), default=None
    )
