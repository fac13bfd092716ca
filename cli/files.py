"""Files that a command is given: relative to where it was typed, wherever it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

_typed_in: Path | None = None


def run_in(folder: Path) -> None:
    """Go to a folder; files that a command is given stay relative to the one before."""
    global _typed_in  # noqa: PLW0603  # of a process, as is the folder that it runs in
    current = Path.cwd()
    if current != folder:
        _typed_in = current
        os.chdir(folder)


def typed_path(name: str) -> str:
    """Return a file's name for this process; ``-`` stays."""
    if _typed_in is None or name == "-":
        return name
    return str(_typed_in / name)


class FileArgument(click.Path):
    """``click.Path`` of a file as it was typed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(typed_path(os.fspath(value)), param, ctx)


class OpenFileArgument(click.File):
    """``click.File`` of a file as it was typed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str):
            value = typed_path(value)
        return super().convert(value, param, ctx)
