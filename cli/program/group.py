"""The command ``postern`` itself: its help by subject, its version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

SECTIONS = {
    "Calls": ("call", "top", "connect"),
    "Catalog": ("catalog", "cache", "openapi"),
    "People and tools": ("user", "app", "audit", "secrets"),
    "This installation": ("init", "doctor", "run", "db", "backup", "restore", "seed"),
}
SHORT = 65  # letters of a command in the list
EXAMPLES = """\b
Begin with:  postern init
             postern run
             postern call SERVICE METHOD name=value
"""


class Program(click.Group):
    """:param make_info: makes what Flask's commands find their application by."""

    def __init__(
        self, commands: Sequence[click.Command], version: str, make_info: Callable[[], Any]
    ) -> None:
        super().__init__(
            commands=commands,
            help="Postern: the single way out to every outside API that a team uses.\n\n"
            + EXAMPLES,
            epilog="postern COMMAND --help says what a command takes.",
        )
        self._make_info = make_info
        add_version = click.version_option(
            version, message="Postern %(version)s", help="Print the version."
        )
        add_version(self)

    def invoke(self, ctx: click.Context) -> Any:
        ctx.obj = self._make_info()
        return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by subject."""
        for title, names in SECTIONS.items():
            rows = [
                (click.style(name, fg="cyan"), self.commands[name].get_short_help_str(SHORT))
                for name in names
            ]
            with formatter.section(click.style(title, bold=True)):
                formatter.write_dl(rows)
