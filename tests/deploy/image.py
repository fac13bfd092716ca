"""What the image holds and says, read from its files: there is no engine here to build it with."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
CONTENT = ROOT / "deploy" / "Dockerfile.dockerignore"


def content() -> list[str]:
    """Return the files and folders that go into the image."""
    lines = CONTENT.read_text(encoding="utf-8").splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def copy_content(target: Path) -> None:
    """Copy what goes into the image, as ``Dockerfile.dockerignore`` lists it, and nothing else."""
    for name in content():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copy(source, target / name)


def environment() -> dict[str, str]:
    """Return what the image sets."""
    return dict(re.findall(r"(\w+)=(\S+)", _instruction("ENV ")))


def command() -> list[str]:
    """Return what the image runs."""
    words: list[str] = json.loads(_instruction("CMD "))
    return words


def healthcheck() -> list[str]:
    """Return the command of the image's health check."""
    words: list[str] = json.loads(_instruction("HEALTHCHECK .* CMD "))
    return words


def _instruction(name: str) -> str:
    """Return what follows an instruction in the last stage."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    last_stage = text[text.rindex("\nFROM ") :]
    (line,) = re.findall(rf"^{name}(.*)$", last_stage, re.MULTILINE)
    return str(line)
