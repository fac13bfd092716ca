"""What Postern costs: ``python -m bench [NAME...] [--quick] [--only ROW...] [--write]``."""

import argparse
import signal
import sys
from importlib import import_module

from bench import report
from bench.report import BenchError
from bench.rounds import Options
from bench.targets import NAMES

ROUNDS = 7
#: Modules of this package with a ``run(options)`` that returns the text for docs/speed.md.
BENCHMARKS = ("targets", "lists", "catalog", "streams", "memory", "drippers", "profile")


def arguments() -> tuple[list[str], Options]:
    """Return the benchmarks to run, and how to run them."""
    command = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    command.add_argument("names", nargs="*", default=["targets"], metavar="|".join(BENCHMARKS))
    command.add_argument("--rounds", type=int, choices=range(1, 51), default=ROUNDS, metavar="N")
    command.add_argument("--quick", action="store_true", help="one short round, to see it work")
    command.add_argument(
        "--only", nargs="+", choices=NAMES, default=[], metavar="ROW", help=", ".join(NAMES)
    )
    command.add_argument("--write", action="store_true", help="write the text into docs/speed.md")
    options = command.parse_args()
    names = list(BENCHMARKS) if options.names == ["all"] else options.names
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        command.error(
            f"there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    if options.write and (options.quick or options.only):
        command.error("--write takes whole tables: leave out --quick and --only")
    rounds = 1 if options.quick else options.rounds
    return names, Options(rounds, options.quick, tuple(options.only), options.write)


def main() -> None:
    names, options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        failures = [failure for name in names if (failure := _failure(name, options))]
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    if failures:
        sys.exit("\n".join(failures))


def _failure(name: str, options: Options) -> str:
    """Do one benchmark; return why it failed, or nothing. The others are worth doing anyway."""
    try:
        text = import_module(f"bench.{name}").run(options)
        print(text, flush=True)
        if options.writes:
            for page in report.PAGES:
                report.write(name, text, page)
    except BenchError as failure:
        return f"bench {name}: {failure}"
    return ""


if __name__ == "__main__":
    main()
