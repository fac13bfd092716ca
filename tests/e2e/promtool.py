"""Prometheus' own checker."""

from __future__ import annotations

import shutil
import subprocess

MISSING = "These tests need promtool: apt-get install prometheus. POSTERN_TEST_PROMTOOL=no leaves them out."


class PromtoolError(Exception):
    """There is none."""


def program() -> str:
    """:raises PromtoolError: there is none."""
    found = shutil.which("promtool")
    if found is None:
        raise PromtoolError(MISSING)
    return found


def promtool(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program(), *words], input=said, capture_output=True, text=True, timeout=60, check=False
    )
