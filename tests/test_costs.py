"""A request does not come to cost more unnoticed: by calls of Python functions, which no busy machine changes."""

from __future__ import annotations

import json

from tests import costs

GROWTH = 1.03  # more than that is written into the file by who means it
GROWTH_ON_ANOTHER_PYTHON = 1.25  # whose standard library calls itself otherwise


def test_a_request_makes_no_more_calls_than_the_file_says() -> None:
    versions = json.loads(costs.FILE.read_text(encoding="utf-8"))
    growth = GROWTH if costs.PYTHON in versions else GROWTH_ON_ANOTHER_PYTHON
    allowed = versions.get(costs.PYTHON) or next(iter(versions.values()))
    counts = costs.costs()
    excess = {
        (kind, name): (count, allowed[kind].get(name, 0))
        for kind, names in counts.items()
        for name, count in names.items()
        if count > allowed[kind].get(name, 0) * growth
    }
    assert not excess, "if that is meant, run: make costs"
