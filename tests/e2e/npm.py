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
NEEDS_NPM = pytest.mark.skipif(
    os.environ.get("POSTERN_TEST_NPM") == "no", reason="POSTERN_TEST_NPM=no"
)


class NpmError(Exception):
    """It is not installed."""


def module(name: str) -> Path:
    """Return a package's folder.

    :raises NpmError: it is not installed.
    """
    folder = MODULES / name
    if not folder.is_dir():
        raise NpmError(MISSING)
    return folder


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a package's program, from the root of the repository; it asks nobody for updates."""
    module(".bin")
    env = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    command = [str(MODULES / ".bin" / program), *words]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
