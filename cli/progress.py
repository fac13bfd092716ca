"""How far a long command is."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import TypeVar

import click

T = TypeVar("T")


def shown(steps: Collection[T], label: str) -> Iterator[T]:
    """The steps, with a bar of how many are done for whoever watches: on stderr, if that is a terminal."""
    with click.progressbar(steps, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield from bar
