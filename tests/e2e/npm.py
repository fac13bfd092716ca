"""Programs from npm, as tests/npm/package-lock.json pins them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.live import ROOT

MODULES = ROOT / "tests" / "npm" / "node_modules"
MISSING = (
    "These tests need Node.js and: npm ci --prefix tests/npm. POSTERN_TEST_NPM=no leaves them out."
)
WANTED = pytest.mark.skipif(
    os.environ.get("POSTERN_TEST_NPM") == "no", reason="POSTERN_TEST_NPM=no"
)


class NpmError(Exception):
    """It is not installed."""


def module(name: str) -> Path:
    """Where a package is.

    :raises NpmError: it is not installed.
    """
    found = MODULES / name
    if not found.is_dir():
        raise NpmError(MISSING)
    return found


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A package's program, from the root of the repository; it asks nobody for updates."""
    module(".bin")
    env = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    command = [str(MODULES / ".bin" / program), *words]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
