"""Redocly's linter, all of its recommended rules as errors."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.npm import NEEDS_NPM, run


@NEEDS_NPM
def test_the_linter_finds_nothing(tmp_path: Path) -> None:
    config = tmp_path / "redocly.yaml"
    config.write_text("extends: [recommended-strict]\n", encoding="utf-8")

    done = run("redocly", "lint", "--config", str(config), "tests/openapi-v1.json")

    assert done.returncode == 0, done.stdout + done.stderr
