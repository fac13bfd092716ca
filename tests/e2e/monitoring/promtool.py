"""Prometheus' own checker."""

from __future__ import annotations

import shutil
import subprocess

MISSING = "These tests need promtool: apt-get install prometheus. POSTERN_TEST_PROMTOOL=no leaves them out."


class PromtoolError(Exception):
    """There is none."""


def program() -> str:
    """:raises PromtoolError: there is none."""
    path = shutil.which("promtool")
    if path is None:
        raise PromtoolError(MISSING)
    return path


def promtool(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program(), *words], input=text, capture_output=True, text=True, timeout=60, check=False
    )
