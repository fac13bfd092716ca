"""``flask top``: the services, live, in a terminal; read from the server's own ``/metrics``."""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import termios
import tty
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext

from api.context import app_state
from cli.output import cut, table
from cli.top.metrics_snapshot import ServiceRates, ServiceSnapshot, compare, parse_metrics
from gateway.catalog.model import Timeout
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.http.client import long_poll_channel
from gateway.http_messages import HttpRequest

TIMEOUT_SECONDS = 5.0
MAX_METRICS_BYTES = 64 * 1024 * 1024
MAX_SNAPSHOTS = 11  # the table covers the ten intervals between them
#: As wide as the cells below.
HEADER = ("SERVICE", "CALLS/S", "    P50", "    P99", " FAILED", "BREAKER  ", "HEALTH ")
#: Columns that are left out where a terminal is too narrow, the first one first.
OPTIONAL_COLUMNS = ("    P50", "HEALTH ", "BREAKER  ", "    P99")
MIN_NAME_CELLS = 12  # of a service's name, while there is a column to leave out
LINES_AROUND_TABLE = 4
COLUMN_GAP_CELLS = 2
ENTER_SCREEN = "\x1b[?1049h\x1b[?25l"
LEAVE_SCREEN = "\x1b[?25h\x1b[?1049l"
CURSOR_HOME = "\x1b[H"
CLEAR_LINE = "\x1b[K"
CLEAR_BELOW = "\x1b[J"


class MetricsError(click.ClickException):
    """There is nothing to show; the message says why."""


def _check_url(context: click.Context, param: click.Parameter, url: str | None) -> str | None:
    with suppress(ValueError):
        if url is None or _is_http_url(url):
            return url
    raise click.BadParameter("must be http://HOST:PORT, or https")


def _is_http_url(url: str) -> bool:
    """:raises ValueError: it is no URL."""
    parsed = urlsplit(url)
    return parsed.scheme in ("http", "https") and bool(parsed.hostname) and parsed.port != 0


@click.command("top")
@click.option(
    "--url", callback=_check_url, help="The server; the one on this machine's PORT unless given."
)
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=1,
    show_default=True,
    help="Seconds between looks.",
)
@click.option("--once", is_flag=True, help="Measure once, for --every seconds, print it and end.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="A line of JSON for each look; seconds, and shares of 1.",
)
@with_appcontext
def top(url: str | None, every: float, once: bool, as_json: bool) -> None:
    """Show every service: calls per second, latency, failures, breaker, health; q or Ctrl-C ends.

    Failed calls are those of which the gateway or the service is at fault. Shown are the last ten
    intervals.
    """
    with closing(ServerMonitor(url or app_state().settings.url)) as monitor:
        if once:
            _measure_once(monitor, every, as_json)
        else:
            _measure_repeatedly(monitor, every, as_json)


def _measure_once(monitor: ServerMonitor, seconds: float, as_json: bool) -> None:
    monitor.fetch()
    monitor.clock.sleep(seconds)
    monitor.fetch()
    click.echo("\n".join(monitor.render(as_json)))


def _measure_repeatedly(monitor: ServerMonitor, seconds: float, as_json: bool) -> None:
    """Show a table after each interval until q or Ctrl-C; in a terminal in the last one's place."""
    on_screen = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    with suppress(KeyboardInterrupt):
        if not on_screen:
            while True:
                click.echo("\n".join(_next_lines(monitor, as_json)))
                monitor.clock.sleep(seconds)
        with _alternate_screen():
            quit_pressed = False
            while not quit_pressed:
                click.echo(_frame(_next_lines(monitor, as_json)), nl=False)
                quit_pressed = _wait_for_quit(seconds)


class ServerMonitor:
    """Reads one server's ``/metrics`` again and again."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.clock = SystemClock()
        self._channel = long_poll_channel(self.url, MAX_METRICS_BYTES, self.clock)
        self._snapshots: deque[tuple[float, dict[str, ServiceSnapshot]]] = deque(
            maxlen=MAX_SNAPSHOTS
        )

    def fetch(self) -> None:
        """Take a snapshot.

        :raises MetricsError: the server gives none; what comes after is measured anew.
        """
        try:
            snapshot = self._fetch()
        except MetricsError:
            self._snapshots.clear()
            raise
        self._snapshots.append((self.clock.now(), snapshot))

    def _fetch(self) -> dict[str, ServiceSnapshot]:
        request = HttpRequest("GET", self.url, "/metrics", (), {})
        timeout = Timeout(TIMEOUT_SECONDS, TIMEOUT_SECONDS)
        try:
            answer = self._channel.send(request, timeout, self.clock.now() + TIMEOUT_SECONDS)
        except GatewayError as error:
            raise MetricsError(
                f"{self.url} cannot be reached ({type(error).__name__}); is Postern running?"
            ) from error
        if answer.status == 403:
            raise MetricsError(
                f"{self.url}/metrics is not for this address; "
                "put it into the server's METRICS_ALLOW"
            )
        if answer.status == 200:
            with suppress(ValueError):
                return parse_metrics(answer.body.decode())
        raise MetricsError(f"{self.url}/metrics is not Postern's: it answered {answer.status}")

    def close(self) -> None:
        self._channel.close()

    def render(self, as_json: bool) -> list[str]:
        """Return the lines to show, by the oldest and the newest snapshot."""
        start, before = self._snapshots[0]
        end, after = self._snapshots[-1]
        seconds = max(end - start, 0.001)
        rows = compare(before, after, seconds)
        if as_json:
            report = {
                "url": self.url,
                "seconds": round(seconds, 3),
                "services": [asdict(row) for row in rows],
            }
            return [json.dumps(report, ensure_ascii=False)]
        total = sum(row.rate for row in rows)
        return _page(f"{self.url}: {total:.1f} calls/s over the last {seconds:.0f} s", rows)


def _next_lines(monitor: ServerMonitor, as_json: bool) -> list[str]:
    """Fetch and render; a server that is away may come back."""
    try:
        monitor.fetch()
        return monitor.render(as_json)
    except MetricsError as error:
        if as_json:
            return [json.dumps({"url": monitor.url, "error": error.message})]
        return [error.message]


def _page(title: str, rows: list[ServiceRates]) -> list[str]:
    """Return title and table, cut to what a terminal has room for."""
    columns, height = shutil.get_terminal_size()
    visible = rows
    if sys.stdout.isatty():
        visible = rows[: max(height - LINES_AROUND_TABLE, 1)]
    lines = [cut(title, columns), *_table(visible, columns)]
    if len(rows) > len(visible):
        lines.append(f"… and {len(rows) - len(visible)} more")
    return lines


def _table(rows: list[ServiceRates], columns: int) -> list[str]:
    """Lay the rows out with as many columns as fit, and as much of the names as does."""
    names, header = _fit_header(columns)
    lines = table(
        (cut(HEADER[0], names), *header),
        [(cut(row.service, names), *(_cells(row)[title] for title in header)) for row in rows],
    )
    return [lines[0], *(_highlight(line, row) for line, row in zip(lines[1:], rows, strict=True))]


def _fit_header(columns: int) -> tuple[int, list[str]]:
    """Return the cells that are left for names, and the titles of the other columns that fit."""
    header = list(HEADER[1:])
    optional = list(OPTIONAL_COLUMNS)
    while True:
        room = columns - sum(len(title) + COLUMN_GAP_CELLS for title in header)
        if room >= MIN_NAME_CELLS or not optional:
            return max(room, 1), header
        header.remove(optional.pop(0))


def _cells(row: ServiceRates) -> dict[str, str]:
    failed = "-" if row.failed is None else f"{row.failed:.1%}"
    values = (
        f"{row.rate:7.1f}",
        f"{_format_time(row.p50):>7}",
        f"{_format_time(row.p99):>7}",
        f"{failed:>7}",
        row.breaker,
        row.health,
    )
    return dict(zip(HEADER[1:], values, strict=True))


def _format_time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s"


def _highlight(line: str, row: ServiceRates) -> str:
    """Colour the line of a service that is refused at present."""
    is_refused = row.breaker != "closed" or row.health == "down"
    if is_refused and sys.stdout.isatty():
        return click.style(line, fg="red")
    return line


def _frame(lines: list[str]) -> str:
    return CURSOR_HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in lines) + CLEAR_BELOW


@contextmanager
def _alternate_screen() -> Iterator[None]:
    """Use the terminal's other screen, with keys read as they are pressed."""
    settings = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    sys.stdout.write(ENTER_SCREEN)
    try:
        yield
    finally:
        sys.stdout.write(LEAVE_SCREEN)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)


def _wait_for_quit(seconds: float) -> bool:
    """Wait so long; tell whether q was pressed, or the terminal is gone."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and os.read(sys.stdin.fileno(), 1) in (b"q", b"Q", b"")
