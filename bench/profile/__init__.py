"""Where the CPU of a call goes: a picture of today's tree, beside one of an earlier tree."""

import json
import tempfile
from pathlib import Path

from bench import report
from bench.profile import flame
from bench.profile.stacks import Stack, fold, own_time
from bench.report import ROOT
from bench.rounds import Options, measure, progress
from bench.servers import Yard

SAMPLER = Path(__file__).parent / "sampler.py"
BEFORE = ROOT / "docs" / "profile-before.svg"
AFTER = ROOT / "docs" / "profile-after.svg"
CALLS = 50_000
WARM_UP_CALLS = 300


def run(options: Options) -> str:
    """Draw today's tree, at the scale of the earlier one; return both in a table."""
    after = profile(ROOT, options.scaled(CALLS, 1000))
    before = flame.read(BEFORE) if BEFORE.exists() else after
    if options.writes:
        flame.write(AFTER, "after", after, sum(before.values()))
    return table(before, after)


def profile(tree: Path, calls: int) -> dict[Stack, float]:
    """Return microseconds of CPU per call by stacks of modules.

    :param tree: where the Postern is to measure.
    """
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        file = Path(folder, "stacks.json")
        with Yard(Path(folder), tree) as yard:
            yard.env["PROFILE_FILE"] = str(file)
            server = yard.start(yard.postern("Postern", "", "-c", str(SAMPLER)))
            measure(server, "call", WARM_UP_CALLS)
            cost = measure(server, "call", calls).cpu
            yard.stop(server)
        counts = fold(json.loads(file.read_text()), tree)
    samples = sum(counts.values())
    progress(f"{cost:.0f} µs a call, {samples:,} samples")
    return {stack: number / samples * cost for stack, number in counts.items()}


def table(before: dict[Stack, float], after: dict[Stack, float]) -> str:
    """Show what each group of modules spends itself."""
    own_before = own_time(before)
    own_after = own_time(after)
    groups = sorted(own_before | own_after, key=lambda name: -own_before.get(name, 0))
    rows = [
        [name, f"{own_before.get(name, 0):.0f}", f"{own_after.get(name, 0):.0f}"] for name in groups
    ]
    rows.append(["in all", f"{sum(before.values()):.0f}", f"{sum(after.values()):.0f}"])
    return report.table(["CPU µs of a call, by whose code runs", "before", "after"], rows)
