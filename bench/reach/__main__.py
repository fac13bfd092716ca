"""How many services of a provider catalogue a catalog can say: ``python -m bench.reach FILE``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.reach.providers import Outcome, ProvidersError, judge, read_providers
from cli.output import table


def main() -> None:
    command = argparse.ArgumentParser(prog="python -m bench.reach", description=__doc__)
    command.add_argument("file", type=Path, help="the providers, as YAML")
    command.add_argument("--show", metavar="NAME", help="the catalog that one of them becomes")
    options = command.parse_args()
    try:
        providers = read_providers(options.file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ProvidersError) as error:
        sys.exit(f"{options.file}: {error}")
    if options.show is None:
        print(report([judge(name, provider) for name, provider in providers.items()]))
    elif options.show in providers:
        outcome = judge(options.show, providers[options.show])
        print(outcome.text or outcome.reason)
    else:
        sys.exit(f"{options.file} has no provider {options.show}")


def report(outcomes: Sequence[Outcome]) -> str:
    """Return how many are services, by ``auth_mode``, and why the others are none."""
    modes = Counter(outcome.mode for outcome in outcomes)
    services = Counter(outcome.mode for outcome in outcomes if not outcome.reason)
    rows = [
        (mode, str(count), str(services[mode]), _percent(services[mode], count))
        for mode, count in modes.most_common()
    ]
    total = (str(len(outcomes)), str(services.total()), _percent(services.total(), len(outcomes)))
    reasons = Counter((outcome.mode, outcome.reason) for outcome in outcomes if outcome.reason)
    why = [(str(count), mode, reason) for (mode, reason), count in reasons.most_common()]
    lines = table(("AUTH MODE", "ALL", "SERVICES", ""), [*rows, ("all", *total)])
    if why:
        lines += ["", *table(("NOT", "AUTH MODE", "WHY"), why)]
    return "\n".join(lines)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


if __name__ == "__main__":
    main()
