"""``flask top``: the services, live, in a terminal; read from the server's own ``/metrics``."""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import termios
import tty
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext
from prometheus_client.parser import text_string_to_metric_families

from api.context import app_state
from cli.output import cut, table
from gateway.catalog.model import Timeout
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.http.client import long_poll_channel
from gateway.messages import HttpRequest

# measures: What two looks at ``/metrics`` say of each service: how many calls, how fast, how many failed.

Bounds = dict[float, float]
BREAKER, HEALTH = "postern_breaker_state", "postern_service_up"
CALLS, SECONDS = "postern_calls_total", "postern_call_duration_seconds_bucket"
NO = "-1006"  # the service understood and said no: an answer, not a failure


@dataclass
class Seen:
    """One service at one look; counts since the server's start.

    :param buckets: calls that took at most so many seconds.
    """

    calls: float = 0
    failures: float = 0
    buckets: Bounds = field(default_factory=lambda: defaultdict(float))
    breaker: str = "closed"
    health: str = "unknown"


@dataclass(frozen=True)
class Measure:
    """One service between two looks. Seconds; None where there were no calls.

    :param failed: the share of calls that failed by the gateway's or the service's fault.
    """

    service: str
    rate: float
    p50: float | None
    p99: float | None
    failed: float | None
    breaker: str
    health: str


def look(text: str) -> dict[str, Seen]:
    """Services by name, read from the text of ``/metrics``.

    :raises ValueError: it is something else.
    """
    seen: dict[str, Seen] = defaultdict(Seen)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if "service" in sample.labels:
                _note(seen[sample.labels["service"]], sample.name, sample.labels, sample.value)
    return dict(seen)


def _note(seen: Seen, name: str, labels: dict[str, str], value: float) -> None:
    if name == CALLS:
        seen.calls += value
        seen.failures += value * (
            labels["source"] in ("gateway", "downstream") and labels["code"] != NO
        )
    elif name == SECONDS:
        seen.buckets[float(labels["le"])] += value
    elif name == BREAKER and value:
        seen.breaker = labels["state"]
    elif name == HEALTH:
        seen.health = "up" if value else "down"


def measures(before: dict[str, Seen], after: dict[str, Seen], seconds: float) -> list[Measure]:
    """What happened in between, the busiest service first."""
    made = [_measure(name, before.get(name, Seen()), now, seconds) for name, now in after.items()]
    return sorted(made, key=lambda each: (-each.rate, each.service))


def _measure(name: str, before: Seen, after: Seen, seconds: float) -> Measure:
    if after.calls < before.calls:  # the server was started anew
        before = Seen()
    calls = after.calls - before.calls
    buckets = {
        bound: count - before.buckets.get(bound, 0)
        for bound, count in sorted(after.buckets.items())
    }
    failed = (after.failures - before.failures) / calls if calls else None
    p50, p99 = quantile(0.5, buckets), quantile(0.99, buckets)
    return Measure(name, calls / seconds, p50, p99, failed, after.breaker, after.health)


def quantile(share: float, buckets: Bounds) -> float | None:
    """Seconds within which this share of the calls ended, as Prometheus' ``histogram_quantile`` reckons it.

    :param buckets: calls by upper bound, added up, bounds ascending, the last one infinite.
    """
    counts = [(0.0, 0.0), *buckets.items()]
    wanted = share * counts[-1][1]
    for (low, below), (high, upto) in pairwise(counts):
        if upto >= wanted > 0:
            return (
                low
                if high == float("inf")
                else low + (high - low) * (wanted - below) / (upto - below)
            )
    return None


# top: ``flask top``: the services, live, in a terminal; read from the server's own ``/metrics``.

PATIENCE = 5.0  # seconds for an answer
LARGEST = 64 * 1024 * 1024  # bytes of one
LOOKS = 11  # shown is what happened over the last ten intervals
HEADER = (
    "SERVICE",
    "CALLS/S",
    "    P50",
    "    P99",
    " FAILED",
    "BREAKER  ",
    "HEALTH ",
)  # as wide as what is below
#: Columns that are left out where a terminal is too narrow, the first one first.
EXPENDABLE = ("    P50", "HEALTH ", "BREAKER  ", "    P99")
NAME = 12  # cells that a service's name keeps while there is something to leave out
ENTER, LEAVE, HOME, CLEAR = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[J"


class Trouble(click.ClickException):
    """There is nothing to show; says why."""


def _checked(context: click.Context, param: click.Parameter, url: str | None) -> str | None:
    with suppress(ValueError):
        if url is None or (
            (at := urlsplit(url)).scheme in ("http", "https") and at.hostname and at.port != 0
        ):
            return url
    raise click.BadParameter("must be http://HOST:PORT, or https")


@click.command("top")
@click.option(
    "--url", callback=_checked, help="The server; the one on this machine's PORT unless given."
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

    Failed calls are those of which the gateway or the service is at fault. Shown are the last ten intervals.
    """
    with closing(_Watch(url or app_state().settings.url)) as watch:
        _show(watch, every, once, as_json)


def _show(watch: _Watch, every: float, once: bool, as_json: bool) -> None:
    if once:
        watch.look()
        watch.clock.sleep(every)
        watch.look()
        click.echo("\n".join(watch.lines(as_json)))
        return
    on_screen = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    with suppress(KeyboardInterrupt), _screen(on_screen):
        while True:
            lines = _looked(watch, as_json)
            click.echo(_frame(lines) if on_screen else "\n".join(lines), nl=not on_screen)
            if _ended(on_screen, every, watch.clock):
                return


class _Watch:
    """One server, looked at again and again."""

    def __init__(self, url: str) -> None:
        self.url, self.clock = url.rstrip("/"), SystemClock()
        self._channel = long_poll_channel(self.url, LARGEST, self.clock)
        self._looks: deque[tuple[float, dict[str, Seen]]] = deque(maxlen=LOOKS)

    def look(self) -> None:
        """:raises Trouble: the server does not say."""
        try:
            asked = HttpRequest("GET", self.url, "/metrics", (), {})
            answer = self._channel.send(
                asked, Timeout(PATIENCE, PATIENCE), self.clock.now() + PATIENCE
            )
        except GatewayError as error:
            raise self._trouble(
                f"{self.url} cannot be reached ({type(error).__name__}); is Postern running?"
            ) from error
        if answer.status == 403:
            raise self._trouble(
                f"{self.url}/metrics is not for this address; put it into the server's METRICS_ALLOW"
            )
        try:
            seen = look(answer.body.decode()) if answer.status == 200 else None
        except ValueError:
            seen = None
        if seen is None:
            raise self._trouble(f"{self.url}/metrics is not Postern's: it answered {answer.status}")
        self._looks.append((self.clock.now(), seen))

    def _trouble(self, why: str) -> Trouble:
        self._looks.clear()  # what comes after is measured anew
        return Trouble(why)

    def close(self) -> None:
        self._channel.close()

    def lines(self, as_json: bool) -> list[str]:
        (began, before), (ended, after) = self._looks[0], self._looks[-1]
        seconds = max(ended - began, 0.001)
        rows = measures(before, after, seconds)
        if as_json:
            services = [asdict(row) for row in rows]
            return [
                json.dumps(
                    {"url": self.url, "seconds": round(seconds, 3), "services": services},
                    ensure_ascii=False,
                )
            ]
        columns, height = shutil.get_terminal_size()
        shown = rows[: max(height - 4, 1)] if sys.stdout.isatty() else rows
        more = [f"… and {len(rows) - len(shown)} more"] if len(rows) > len(shown) else []
        head = (
            f"{self.url}: {sum(row.rate for row in rows):.1f} calls/s over the last {seconds:.0f} s"
        )
        return [cut(head, columns), *_rows(shown, columns), *more]


def _looked(watch: _Watch, as_json: bool) -> list[str]:
    """What there is to show; a server that is away may come back."""
    try:
        watch.look()
        return watch.lines(as_json)
    except Trouble as error:
        return (
            [json.dumps({"url": watch.url, "error": error.message})] if as_json else [error.message]
        )


def _rows(measured: list[Measure], columns: int) -> list[str]:
    """As many columns as fit, as much of the names as does."""
    header: tuple[str, ...] = HEADER
    cells, expendable = [_cells(each) for each in measured], list(EXPENDABLE)
    while (room := columns - sum(len(each) + 2 for each in header[1:])) < NAME and expendable:
        at = header.index(expendable.pop(0))
        header, cells = (
            (*header[:at], *header[at + 1 :]),
            [(*row[:at], *row[at + 1 :]) for row in cells],
        )
    first, *rest = table(
        (cut(header[0], max(room, 1)), *header[1:]),
        [(cut(row[0], max(room, 1)), *row[1:]) for row in cells],
    )
    return [first, *(_marked(line, each) for line, each in zip(rest, measured, strict=True))]


def _cells(each: Measure) -> tuple[str, ...]:
    failed = "-" if each.failed is None else f"{each.failed:.1%}"
    times = (f"{_time(each.p50):>7}", f"{_time(each.p99):>7}")
    return (each.service, f"{each.rate:7.1f}", *times, f"{failed:>7}", each.breaker, each.health)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _marked(line: str, each: Measure) -> str:
    wrong = each.breaker != "closed" or each.health == "down"
    return click.style(line, fg="red") if wrong and sys.stdout.isatty() else line


def _frame(lines: list[str]) -> str:
    return HOME + "".join(f"{line}\x1b[K\n" for line in lines) + CLEAR


@contextmanager
def _screen(used: bool) -> Iterator[None]:
    """The terminal's other screen, keys read as they are pressed; afterwards all is as it was."""
    if not used:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    sys.stdout.write(ENTER)
    try:
        yield
    finally:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _ended(on_screen: bool, seconds: float, clock: SystemClock) -> bool:
    """Wait for the next look; whether q was pressed, or the terminal is gone."""
    if not on_screen:
        clock.sleep(seconds)
        return False
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and os.read(sys.stdin.fileno(), 1) in (b"q", b"Q", b"")
