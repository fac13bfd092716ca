"""python -m bench: the CPU that one call costs on Postern and on its peers, in rounds that take turns."""

import argparse
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from bench.load import Job, Outcome
from bench.servers import ROOT, BenchError, Server, Yard

WARM_UP = 300  # calls
AIOHTTP, HTTPX = "FastAPI + aiohttp", "FastAPI + httpx"
START = {
    "postern": lambda yard: yard.postern(),
    "aiohttp": lambda yard: yard.fastapi(AIOHTTP, "fastapi_aiohttp"),
    "httpx": lambda yard: yard.fastapi(HTTPX, "fastapi_httpx"),
    "requests": lambda yard: yard.flask("Flask + requests", "flask_requests"),
}
PACKAGES = ("flask", "gunicorn", "gevent", "fastapi", "uvicorn", "httptools", "httpx", "aiohttp", "requests")
MARKED = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)


@dataclass(frozen=True)
class Round:
    """What one server showed in one round; ``cpu`` in microseconds per call."""

    cpu: float
    load: Outcome


def measure(yard: Yard, server: Server, calls: int, concurrency: int) -> Round:
    """Put one server under load while the others rest.

    :raises BenchError: a wrong answer, a call that did not reach the sandbox, a worker that died.
    """
    job = Job(server.port, server.token, calls, concurrency)
    before, pids_before, cpu_before = yard.received(), *server.cpu()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.load"], cwd=ROOT, input=json.dumps(asdict(job)), text=True,
            capture_output=True, timeout=30 + calls / 20,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{server.name} took over {error.timeout:.0f} s for {calls} calls\n{server.tail()}") from error
    if done.returncode:
        raise BenchError(f"{server.name}: {done.stderr.strip()}\n{server.tail()}")
    pids, cpu = server.cpu()
    if pids != pids_before:
        raise BenchError(f"{server.name}: its processes changed during a round\n{server.tail()}")
    if yard.received() - before < calls:
        raise BenchError(f"{server.name}: fewer requests reached the sandbox than were answered")
    return Round((cpu - cpu_before) / calls * 1e6, Outcome(**json.loads(done.stdout)))


def table(rounds: dict[str, list[Round]]) -> str:
    head = ["server", "CPU µs/call, median (min-max)", "calls/s", "p50 ms", "p99 ms", f"to {AIOHTTP}", f"to {HTTPX}"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, each in rounds.items():
        cpu = [one.cpu for one in each]
        lines.append(
            [
                name,
                f"{statistics.median(cpu):.0f} ({min(cpu):.0f}-{max(cpu):.0f})",
                f"{statistics.median(one.load.rate for one in each):.0f}",
                f"{statistics.median(one.load.p50 for one in each):.1f}",
                f"{statistics.median(one.load.p99 for one in each):.1f}",
                ratio(each, rounds.get(AIOHTTP)),
                ratio(each, rounds.get(HTTPX)),
            ]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def ratio(ours: list[Round], theirs: list[Round] | None) -> str:
    """Our CPU in theirs, round by round: median (min-max)."""
    if theirs is None or ours is theirs:
        return "-"
    each = [a.cpu / b.cpu for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(each):.2f} ({min(each):.2f}-{max(each):.2f})"


def facts(options: argparse.Namespace) -> str:
    return (
        f"{options.rounds} rounds of {options.calls} calls, {options.concurrency} at a time, one worker process each, "
        f"sandbox and load on the same {os.cpu_count()} cores ({processor()}); Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        + ". All log to a file: Postern a JSON line a request and one an attempt, the others an access line. "
        "A caller's token stays the same, so Postern has it verified already; the others verify it each time. "
        "Postern keeps up the vendor's token, retries and masks its log; the others do not."
    )


def processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def write_readme(text: str, path: Path) -> None:
    old = path.read_text()
    new, count = MARKED.subn(lambda _: f"{text}\n", old)
    if count != 1:
        raise BenchError(f"{path.name} must have <!-- bench --> and <!-- /bench --> once, each on its own line")
    path.write_text(new)


def run(options: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder, Yard(Path(folder)) as yard:
        servers = [START[key](yard) for key in options.only]
        for server in servers:
            measure(yard, server, WARM_UP, options.concurrency)
        rounds: dict[str, list[Round]] = {server.name: [] for server in servers}
        for number in range(options.rounds):
            turn = number % len(servers)
            for server in servers[turn:] + servers[:turn]:
                rounds[server.name].append(measure(yard, server, options.calls, options.concurrency))
            told = ", ".join(f"{name} {each[-1].cpu:.0f}" for name, each in rounds.items())
            print(f"round {number + 1}/{options.rounds}: {told}", file=sys.stderr)
    return f"{table(rounds)}\n\n{facts(options)}"


def arguments() -> argparse.Namespace:
    def within(low: int, high: int):
        def read(text: str) -> int:
            if not low <= int(text) <= high:
                raise argparse.ArgumentTypeError(f"must be from {low} to {high}")
            return int(text)

        return read

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=within(1, 50), default=7)
    parser.add_argument("--calls", type=within(100, 20000), default=1000, help="a round and server")
    parser.add_argument("--concurrency", type=within(1, 64), default=16)
    parser.add_argument("--only", nargs="+", choices=START, default=list(START), metavar="|".join(START))
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    options = parser.parse_args()
    options.only = list(dict.fromkeys(options.only))
    if options.readme and len(options.only) < len(START):
        parser.error("--readme takes the whole table: leave out --only")
    return options


def main() -> None:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    text = run(options)
    print(text)
    if options.readme:
        write_readme(text, ROOT / "README.md")


if __name__ == "__main__":
    try:
        main()
    except BenchError as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
