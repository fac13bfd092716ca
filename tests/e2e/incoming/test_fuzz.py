"""schemathesis finds nothing in the time there is; `make fuzz` asks it all."""

from __future__ import annotations

import re

from tests.e2e.live import Live
from tests.fuzz import fuzz


def test_schemathesis_finds_no_failure_with_all_of_its_checks(live: Live) -> None:
    done = fuzz(live, "--phases", "examples,coverage", "--max-time", "40")

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    operations = re.search(r"Tested: (\d+)", done.stdout)
    assert operations and int(operations[1]) > 50
    assert '"unforeseen"' not in live.log
