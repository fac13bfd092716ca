"""The commands in README and docs, typed as they stand into one shell, give the answers shown there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from sandbox import Sandbox
from tests.e2e.live import PASSWORD, ROOT, Live, catalog_for
from tests.ports import free_port

MARK = "=== next ==="


def test_the_commands_of_readme_and_docs_give_the_answers_shown(tmp_path, database) -> None:
    with Sandbox(port=free_port()) as box:
        live = Live(tmp_path, catalog_for(box), **database()).start()
        try:
            live.flask("user", "create", "admin", "--role", "admin", "--password", PASSWORD)
            secret = re.search(
                r"[\w-]{43}", live.flask("app", "create", "shop", "--allow", "wechat.*").stdout
            )[0]
            steps = [step for page in pages() for step in _steps(page.read_text(encoding="utf-8"))]
            answers = _typed([command for command, _ in steps], live, secret)
        finally:
            live.stop()

    assert len(steps) >= 20
    for (command, expected), answer in zip(steps, answers, strict=True):
        assert _same(expected, answer), f"$ {command}\nshown: {expected}\nis:    {answer}"


def pages() -> list[Path]:
    """README, then the pages that it links to, in the order in which a reader meets them."""
    readme = ROOT / "README.md"
    names = re.findall(r"\]\((docs/[\w.-]+\.md)", readme.read_text(encoding="utf-8"))
    return [readme, *(ROOT / name for name in dict.fromkeys(names))]


def test_readme_links_to_every_page_of_docs() -> None:
    english = {page for page in (ROOT / "docs").glob("*.md") if ".zh-CN" not in page.name}

    assert set(pages()) == {ROOT / "README.md", *english}


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
                steps.append((command, f"{output}\n{line}".strip()))
    return steps


def _typed(commands: list[str], live: Live, secret: str) -> list[str]:
    """What each command prints, all in one shell."""
    filled = [
        command.replace("http://127.0.0.1:5000", live.url)
        .replace("PASSWORD=...", f"'PASSWORD={PASSWORD}'")
        .replace("APP_SECRET=...", f"APP_SECRET={secret}")
        for command in commands
    ]
    script = "".join(f"{command}\necho\necho '{MARK}'\n" for command in filled)
    done = subprocess.run(
        ["bash", "-e"],
        input=script,
        capture_output=True,
        text=True,
        timeout=300,
        env=live.env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [part.strip().replace("\r", "") for part in done.stdout.split(MARK)][: len(commands)]


def _same(expected: str, answer: str) -> bool:
    if expected.startswith("{"):
        return _alike(json.loads(expected), json.loads(answer))
    return expected == answer


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
