"""What CONTRIBUTING.md says is so, and what it says to do works."""

from __future__ import annotations

import json
import keyword
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from gateway.chain import CHAIN
from tests import contributing, surface
from tests.contributing import ROOT, TEXT

#: What a copy of the tree can do without.
LEFT_OUT = shutil.ignore_patterns(
    ".*_cache", ".git", ".venv", "__pycache__", "node_modules", "instance", "images"
)
#: Tests that hold everything of a kind, in the copy the toys as well; and which of them.
CONTRACTS = (
    "tests/catalogs/test_catalogs.py",
    "tests/gateway/signers/test_signer_contract.py",
    "tests/gateway/envelopes/test_envelope_contract.py",
    "tests/test_config.py",
    "tests/test_routes.py",
)
OF_TOYS = "toy or registry or every_envelope or env_example or every_route"
COMMAND = r"(make|python -m|apt-get install|npm|\.venv/bin/flask) .+"
PATH = r"[\w.*-]+/[\w./*-]*|[\w*.-]+\.(py|md|yaml|toml|json|in|example)"


def spans(pattern: str) -> set[str]:
    return {span for span in contributing.spans() if re.fullmatch(pattern, span)}


def test_every_path_that_is_named_exists() -> None:
    routes = [
        line.split()[0] for line in json.loads(surface.FILE.read_text(encoding="utf-8"))["routes"]
    ]
    paths = spans(PATH) | set(re.findall(r"\]\(([^)#:]+)\)", TEXT))

    assert len(paths) > 20
    assert [path for path in paths if not list(ROOT.glob(path))] == []
    assert [path for path in spans(r"/\w+") if path not in routes] == []


def test_every_name_that_is_named_exists() -> None:
    code = set(contributing.spans()) - spans(PATH) - spans(COMMAND) - spans(r"/\w+")
    words = {word for span in code for word in re.findall(r"[A-Za-z_]\w*", span.partition("=")[0])}
    known = contributing.all_names() | set(keyword.kwlist)

    assert len(words) > 40
    assert [word for word in sorted(words - known) if find_spec(word) is None] == []


def test_a_name_is_in_the_file_that_it_is_said_to_be_in() -> None:
    pairs = re.findall(r"`(\w+)`\s+(?:in|of)\s+`([\w/]+\.py)`", TEXT)

    assert len(pairs) > 4
    for name, path in pairs:
        assert name in contributing.names_of(ROOT / path), f"{path} has no {name}"


def test_every_command_that_is_named_is_one() -> None:
    shell = [
        line.partition("#")[0] for block in contributing.blocks("sh") for line in block.splitlines()
    ]
    commands = [*spans(COMMAND), *shell]
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    own = json.loads(surface.FILE.read_text(encoding="utf-8"))["commands"]

    assert {command.split()[1] for command in commands if command.startswith("make ")} <= set(
        targets
    )
    assert all(
        find_spec(command.split()[2]) for command in commands if command.startswith("python -m ")
    )
    flask = {
        command.removeprefix(".venv/bin/")
        for command in commands
        if command.startswith(".venv/bin/flask ")
    }
    assert {" ".join(command.split()[:3]) for command in flask} <= set(own)


def test_imports_run_as_it_says() -> None:
    [order] = [span for span in contributing.spans() if " -> " in span]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]

    assert order.split(" -> ") == contracts[0]["layers"]


def test_a_call_goes_through_what_it_says_in_that_order() -> None:
    [order] = [block for block in contributing.blocks("") if "-- once per attempt --" in block]
    inside = [line.split()[0] for line in order.splitlines() if re.match(r"  [a-z]+ ", line)]
    modules = re.findall(r"^ *([\w/]+\.py)", order, re.M)

    assert inside == [*(middleware.__name__ for middleware in CHAIN), "exchange"]
    assert [module for module in modules if not (ROOT / module).is_file()] == []


@pytest.mark.slow
def test_each_recipe_works_as_it_is_written(tmp_path: Path) -> None:
    """In a copy of the tree; the toys' own tests make a call through each."""
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
    edits = contributing.edits()
    for edit in edits:
        contributing.apply(edit, tree)
    own_tests = [
        edit.path for edit in edits if Path(edit.path).name.startswith("test_") and not edit.name
    ]

    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-rp",
            "-n0",
            "-p",
            "no:cacheprovider",
            *own_tests,
            *CONTRACTS,
            "-k",
            OF_TOYS,
        ],
        cwd=tree,
        env={**os.environ, "POSTERN_TEST_DATABASES": "sqlite", "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    passed = set(re.findall(r"^PASSED ([\w/.]+)::", run.stdout, re.M))
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert passed == {*own_tests, *CONTRACTS}
    assert len(own_tests) == 3
