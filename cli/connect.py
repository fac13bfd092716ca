"""``flask connect SERVICE``: connect the team's account at a vendor, by a page in a browser."""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import click
from flask.cli import with_appcontext

from api.connections import flow
from api.context import app_state
from cli.accounts import load_auth, os_user, record_act, report_database_errors
from cli.loading import load_gateway
from cli.names import complete_service
from cli.output import AS_JSON, print_json, table
from gateway.errors import GatewayError
from models import Act
from models.connections import CONNECTED
from schemas.connections import ConnectionListOut

POLL_SECONDS = 0.5  # between two looks whether the browser has come back to the server
COLUMNS = ("SERVICE", "STATE", "BY", "CONNECTED", "REFRESHED", "SCOPES", "LAST ERROR")


@click.command("connect")
@click.argument("service", required=False, shell_complete=complete_service)
@click.option("--list", "lists", is_flag=True, help="Print the accounts that there are instead.")
@click.option("--disconnect", is_flag=True, help="Forget SERVICE's account instead.")
@AS_JSON
@with_appcontext
def connect_cli(service: str | None, lists: bool, disconnect: bool, as_json: bool) -> None:
    """Connect SERVICE to the team's account, for auth type oauth2 with grant authorization_code.

    Prints the address of the vendor's page and waits until a browser has come back from it. Where
    the browser cannot reach this service, paste the address that it came to, or the code in it.
    """
    load_gateway()
    load_auth()
    with report_database_errors():
        if lists:
            _print_list(as_json)
            return
        if service is None:
            raise click.UsageError("Missing argument 'SERVICE'; or did you mean --list?")
        try:
            if disconnect:
                _disconnect(service)
            else:
                _connect(service)
        except GatewayError as error:
            raise click.ClickException(error.message) from error


def _print_list(as_json: bool) -> None:
    items = flow.describe_connections()
    items = ConnectionListOut().dump({"items": items, "total": len(items)})["items"]
    if as_json:
        print_json(items)
        return
    rows = [
        (
            item["service"],
            item["state"],
            item["connected_by"] or "-",
            _minute(item["connected_at"]),
            _minute(item["last_refreshed_at"]),
            " ".join(item["scopes"]) or "-",
            item["last_error"] or "-",
        )
        for item in items
    ]
    if not rows:
        click.echo("no service of the catalog has an account to connect", err=True)
    for line in table(COLUMNS, rows):
        click.echo(line)


def _minute(moment: str | None) -> str:
    """Return an instant, in UTC, to the minute."""
    return moment[:16].replace("T", " ") if moment else "-"


def _disconnect(service: str) -> None:
    note = partial(record_act, act=Act("connection.delete", f"service:{service}"))
    if not app_state().connections.disconnect(service, note):
        raise click.ClickException(f"{service} is not connected")
    click.echo(f"disconnected {service}; every worker knows within a second")


def _connect(service: str) -> None:
    pending = flow.begin(service, "cli:", os_user())
    click.echo("Open this page in a browser, and allow there what it asks:\n")
    click.echo(f"  {pending.authorization_url}\n")
    click.echo(f"It comes back to {pending.redirect_uri}")
    click.echo("If that does not open, paste its whole address, or the code in it, here.")
    outcome = _wait(pending)
    if outcome is None:
        raise click.ClickException("nothing came back within ten minutes; begin anew")
    if outcome != CONNECTED:
        raise click.ClickException(outcome)
    click.echo(f"{service} is connected")


def _wait(pending: flow.PendingConnection) -> str | None:
    """Return ``connected``, or why not; None where nobody came back or pasted anything in time."""
    pasted_lines = _read_lines()
    until = time.monotonic() + flow.STATE_LIFE.total_seconds()
    while time.monotonic() < until:
        try:
            line = pasted_lines.get(timeout=POLL_SECONDS)
        except queue.Empty:
            outcome = flow.outcome_of(pending.state)
            if outcome is not None:
                return outcome
            continue
        if line.strip():
            flow.complete(_read_answer(line.strip(), pending), socket.gethostname())
            return CONNECTED
    return None


def _read_lines() -> queue.SimpleQueue[str]:
    """Return the lines of standard input as they come; a thread waits for them."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _read_answer(text: str, pending: flow.PendingConnection) -> Mapping[str, str]:
    """Return what an address says, or a code alone.

    :raises click.ClickException: it is the address of another connection.
    """
    query = dict(parse_qsl(urlsplit(text).query))
    if not query:
        return {"state": pending.state, "code": text}
    if query.get("state") != pending.state:
        raise click.ClickException(
            "that address is not the one of this connection (its state differs); nothing was sent"
        )
    return query
