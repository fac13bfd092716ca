"""``postern``: the commands of ``flask`` from any folder, and those that need no application."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cli import COMMANDS, PROGRAM_COMMANDS, LateCommand, app_info
from cli.files import run_in
from cli.names import ROOT
from cli.program import completion
from cli.program.group import Program

NAME = "postern"


def main() -> None:
    """Run the command that was typed, in Postern's folder."""
    completion.register()
    run_in(ROOT)
    commands = [LateCommand(load) for load in (*COMMANDS, *PROGRAM_COMMANDS)]
    # https://no-color.org; None lets click look whether it is a terminal.
    color = False if os.environ.get("NO_COLOR") else None
    program = Program(commands, (ROOT / "VERSION").read_text().strip(), app_info)
    program.main(prog_name=NAME, color=color)


@click.command(
    "run", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Start the server: gunicorn, with ARGUMENTS of its own."""
    server = Path(sys.executable).with_name("gunicorn")
    os.execv(server, [str(server), *arguments])  # noqa: S606  # it takes this process's place
