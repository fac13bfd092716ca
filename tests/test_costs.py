"""A request does not come to cost more unnoticed: by calls of functions, which no busy machine changes."""

from __future__ import annotations

import json

from tests import costs

TOLERANCE = 0.03  # what is further off is written into the file by who means it
#: The standard library of another Python calls itself otherwise, and what became cheaper cannot be told.
TOLERANCE_ON_ANOTHER_PYTHON = 0.25


def differences(counts: costs.Costs, expected: costs.Costs, growth: float, shrinkage: float) -> str:
    """Return a line for each figure that grew or shrank by more than these shares of it."""
    lines = []
    for kind in sorted(counts.keys() | expected.keys()):
        new, old = counts.get(kind, {}), expected.get(kind, {})
        for name in sorted(new.keys() | old.keys()):
            now, before = new.get(name, 0), old.get(name, 0)
            if now > before * (1 + growth) or now < before * (1 - shrinkage):
                share = f"{now / before - 1:+.1%}" if before else "new"
                lines.append(f"{kind}: {name} {before} -> {now} ({share})")
    return "\n".join(lines)


def test_a_request_calls_as_many_functions_as_the_file_says() -> None:
    versions = json.loads(costs.FILE.read_text(encoding="utf-8"))
    expected = versions.get(costs.PYTHON)
    if expected:
        lines = differences(costs.costs(), expected, TOLERANCE, TOLERANCE)
    else:
        expected = next(iter(versions.values()))
        lines = differences(costs.costs(), expected, TOLERANCE_ON_ANOTHER_PYTHON, 1)
    assert not lines, (
        f"A request does not cost what tests/costs.json says:\n{lines}\n"
        "`python -m tests.costs KIND` shows which functions a kind of request calls. "
        "If it is meant, or if it became cheaper, run `make costs` and commit the file."
    )


def test_a_figure_that_grew_or_shrank_is_told_with_its_kind_and_by_how_much() -> None:
    expected = {"call": {"python": 100, "recv": 2}, "health": {"python": 100}}
    counts = {"call": {"python": 104, "recv": 2}, "health": {"python": 96, "write": 1}}
    assert differences(counts, expected, 0.03, 0.03) == (
        "call: python 100 -> 104 (+4.0%)\n"
        "health: python 100 -> 96 (-4.0%)\n"
        "health: write 0 -> 1 (new)"
    )
    assert not differences({"call": {"python": 103}}, {"call": {"python": 100}}, 0.03, 0.03)
