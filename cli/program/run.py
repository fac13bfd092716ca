"""``postern run``: the server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command(
    "run", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Start the server: gunicorn, with ARGUMENTS of its own."""
    server = Path(sys.executable).with_name("gunicorn")
    os.execv(server, [str(server), *arguments])  # noqa: S606  # it takes this process's place
