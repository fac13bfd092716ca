"""The commands in README and docs, typed as they stand into one shell, give the answers shown there."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sandbox import Sandbox
from tests.cli.installation import Installation
from tests.e2e.live import PASSWORD, ROOT, Live, catalog_for
from tests.ports import free_port

MARK = "=== next ==="


def test_the_commands_of_readme_and_docs_give_the_answers_shown(tmp_path, database) -> None:
    own_service = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    installation = Installation(tmp_path)
    with Sandbox(port=free_port()) as box:
        catalog = catalog_for(box, own_service)
        live = Live(tmp_path, catalog, GITHUB_TOKEN="ghp-for-tests", **database()).start()
        try:
            live.flask("user", "create", "admin", "--role", "admin", "--password", PASSWORD)
            secret = re.search(
                r"[\w-]{43}", live.flask("app", "create", "shop", "--allow", "wechat.*").stdout
            )[0]
            steps = [step for page in pages() for step in _steps(page.read_text(encoding="utf-8"))]
            answers = _typed([command for command, _ in steps], live, secret, installation)
        finally:
            live.stop()

    assert len(steps) >= 20
    assert sum(command.startswith("postern call ") for command, _ in steps) >= 5
    for (command, expected), answer in zip(steps, answers, strict=True):
        assert _same(expected, answer), f"$ {command}\nshown: {expected}\nis:    {answer}"


def pages() -> list[Path]:
    """README, then the pages of docs in the order in which their list has them."""
    index = ROOT / "docs" / "README.md"
    names = re.findall(r"\]\(([a-z-]+\.md)", index.read_text(encoding="utf-8"))
    return [ROOT / "README.md", index, *(ROOT / "docs" / name for name in dict.fromkeys(names))]


def test_readme_and_the_list_of_pages_lead_to_every_page_of_docs() -> None:
    english = {page for page in (ROOT / "docs").glob("*.md") if ".zh-CN" not in page.name}
    readme = ROOT / "README.md"
    linked = re.findall(r"\]\((docs/[\w.-]+\.md)", readme.read_text(encoding="utf-8"))

    assert set(pages()) == {readme, *english}
    assert {ROOT / name for name in linked} == english


def _steps(readme: str) -> list[tuple[str, str]]:
    """(command, shown answer) of every ``$`` line that talks to a running service."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```sh\n(.*?)```", readme, re.S):
        if not block.startswith("$ ") or "$ flask" in block:
            continue
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], ""))
            else:
                command, output = steps.pop()
                steps.append((command, f"{output}\n{line}".lstrip("\n")))
    return steps


def _typed(commands: list[str], live: Live, secret: str, installation: Installation) -> list[str]:
    """What each command prints, all in one shell, in a folder of its own."""
    filled = [
        command.replace("http://127.0.0.1:5000", live.url)
        .replace("PASSWORD=...", f"'PASSWORD={PASSWORD}'")
        .replace("APP_SECRET=...", f"APP_SECRET={secret}")
        .replace(". .venv/bin/activate", f"PATH={installation.bin}:$PATH")
        for command in commands
    ]
    # A call that fails, as shown, ends with 1.
    filled = [
        f"{command} || [ $? = 1 ]" if command.startswith("postern ") else command
        for command in filled
    ]
    script = "".join(f"{command}\necho\necho '{MARK}'\n" for command in filled)
    done = subprocess.run(
        ["bash", "-e"],
        input=script,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=installation.typed_in,
        env=live.env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    output = done.stdout.replace("\r", "").replace(f"{live.catalog_file.parent}/", "")
    return [part.strip() for part in output.split(MARK)][: len(commands)]


def _same(expected: str, answer: str) -> bool:
    if expected.startswith("{"):
        return _alike(json.loads(expected), json.loads(answer))
    lines = zip_longest(expected.strip().splitlines(), answer.splitlines())
    return all(_alike(shown, line) for shown, line in lines)


def _alike(expected: Any, actual: Any) -> bool:
    """Equal, but that a text with three dots stands for any that begins so, and times are any times."""
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and expected.keys() == actual.keys()
            and all(
                key in ("timestamp", "elapsed_ms") or _alike(expected[key], actual[key])
                for key in expected
            )
        )
    if isinstance(expected, list):
        return len(expected) == len(actual) and all(map(_alike, expected, actual))
    if isinstance(expected, str) and expected.endswith("..."):
        return isinstance(actual, str) and actual.startswith(expected[:-3])
    return bool(expected == actual)
