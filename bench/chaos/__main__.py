"""What callers see while things fail: ``python -m bench.chaos matrix|soak|restarts [--write]``."""

import argparse
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from bench import report
from bench.chaos import matrix, restarts, soak
from bench.chaos.proxy import FAULTS
from bench.report import ROOT, BenchError, machine

PAGES = {"en": ROOT / "docs" / "reliability.md", "zh": ROOT / "docs" / "reliability.zh-CN.md"}
FAULT_SECONDS = 10.0
SOAK_SECONDS = 1800.0
NOTES = {
    "en": "{what}. Made on {day}, {machine}{shared}.",
    "zh": "{what}。{day} 生成于 {machine}{shared}。",
}
SHARED = {"en": ", beside other programs' full load", "zh": "，期间其他程序满载运行"}
#: The text for docs/reliability.md in a language.
Text = Callable[[str], str]


def arguments() -> argparse.Namespace:
    command = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    command.add_argument("name", choices=("matrix", "soak", "restarts"))
    command.add_argument("--write", action="store_true", help="write it into docs/reliability.md")
    command.add_argument(
        "--seconds", type=float, help="of each fault (10), or of the whole soak (1800)"
    )
    command.add_argument("--shared", action="store_true", help="say that the machine was busy")
    command.add_argument("--requests", type=int, default=restarts.REQUESTS, help="of each restart")
    command.add_argument("--ways", nargs="+", choices=matrix.WAYS, default=matrix.WAYS)
    command.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    options = command.parse_args()
    is_whole = (len(options.ways), len(options.faults)) == (len(matrix.WAYS), len(FAULTS))
    if options.write and not is_whole:
        command.error("--write takes the whole matrix: leave out --ways and --faults")
    return options


def run_matrix(options: argparse.Namespace) -> tuple[Text, list[str]]:
    seconds = options.seconds or FAULT_SECONDS
    done, problems = matrix.run(options.ways, options.faults, seconds)
    what = {
        "en": f"Each fault lasts {seconds:g} s",
        "zh": f"每种故障持续 {seconds:g} 秒",
    }
    return _text(partial(matrix.matrix, done), what, options), problems


def run_soak(options: argparse.Namespace) -> tuple[Text, list[str]]:
    seconds = options.seconds or SOAK_SECONDS
    done, account, problems = soak.run(seconds)
    total = account.codes.total()
    what = {
        "en": f"{seconds / 60:g} minutes, {total} requests, {account.unexplained} unexplained",
        "zh": f"{seconds / 60:g} 分钟，{total} 个请求，{account.unexplained} 个无法解释",
    }
    return _text(partial(soak.figures_table, done), what, options), problems


def run_restarts(options: argparse.Namespace) -> tuple[Text, list[str]]:
    done, problems = restarts.run(options.requests)
    what = {"en": "Two instances of two workers", "zh": "两个实例，各两个 worker"}
    return _text(partial(restarts.restarts_table, done), what, options), problems


def _text(table: Text, what: dict[str, str], options: argparse.Namespace) -> Text:
    """Return the table with a note: what was done, when, and on which machine."""
    day = datetime.now(UTC).date().isoformat()

    def text(language: str) -> str:
        shared = SHARED[language] if options.shared else ""
        note = NOTES[language].format(
            what=what[language], day=day, machine=machine(), shared=shared
        )
        return f"{table(language)}\n\n{note}"

    return text


RUNS = {"matrix": run_matrix, "soak": run_soak, "restarts": run_restarts}


def main() -> None:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        text, problems = RUNS[options.name](options)
        print(f"\n{text('en')}")
        if options.write:
            for language, page in PAGES.items():
                report.write(options.name, text(language), page)
    except BenchError as failure:
        sys.exit(f"chaos: {failure}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
