"""``postern``: the commands of ``flask ...`` from any folder, and those that come before there is
an application. ``cli/postern`` is what the shell runs.
"""

from __future__ import annotations

import os

from cli import COMMANDS, PROGRAM_COMMANDS, app_info
from cli.files import run_in
from cli.late import LateCommand
from cli.names import ROOT
from cli.program import completion
from cli.program.group import Program

NAME = "postern"


def main() -> None:
    """Run the command that was typed, in Postern's folder."""
    completion.register()
    run_in(ROOT)
    commands = {command.name: command for command in map(LateCommand, COMMANDS)}
    commands |= {command.name: command for command in map(LateCommand, PROGRAM_COMMANDS)}
    # https://no-color.org; None lets click look whether it is a terminal.
    color = False if os.environ.get("NO_COLOR") else None
    program = Program(commands, (ROOT / "VERSION").read_text().strip(), app_info)
    program.main(prog_name=NAME, color=color)
