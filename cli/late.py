"""Commands whose modules are imported once the command is named, not for ``flask --help``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class LateCommand(click.Command):
    """Stands for a command, which makes its own context and runs in it.

    :param load: imports and returns the command. Its name is the command's; its docstring is what
        the list of commands says.
    """

    def __init__(self, load: Callable[[], click.Command]) -> None:
        super().__init__(load.__name__, help=load.__doc__)
        self.load = load

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        return self.load().make_context(*args, **options)
