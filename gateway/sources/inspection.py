"""What a catalog's source has now, beside what serves: its problems, and the lines that differ.

inspection = inspect_source(source, watcher.text, os.environ, masker.mask_text)
inspection.state  # "refused"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.notes import Note
from gateway.clock import ThreadRunner, run_with_timeout
from gateway.sources.base import Source, SourceError
from gateway.sources.text_diff import diff_catalogs
from gateway.sources.watcher import text_version

LOAD_SECONDS = 60.0  # whoever asks is waiting
MAX_PROBLEMS = 500  # told; each costs time of the worker, and a page has to show them


@dataclass(frozen=True)
class Inspection:
    """The outcome of reading a source.

    :param state: ``serving``, ``valid`` (it will be taken), ``refused``, or ``unreadable``.
    :param version: of the source's text; empty where there is none.
    :param diff: unified, from what serves to what the source has; literal secrets are masked.
    """

    source: str
    state: str
    version: str = ""
    problems: tuple[Note, ...] = ()
    diff: str = ""


def inspect_source(
    source: Source,
    serving_text: str,
    env: Mapping[str, str],
    mask: Callable[[str], str],
    run_in_thread: ThreadRunner = run_with_timeout,
) -> Inspection:
    """Read the source now, check what it has and compare that with the text that serves.

    :param source: one that no watcher waits for.
    :param mask: takes the secrets in use out of what is told.
    """
    try:
        text = source.read()
    except SourceError as error:
        return _unreadable(source, str(error))
    version = text_version(text)
    if text == serving_text:
        return Inspection(source.label, "serving", version)
    check = partial(_check, text, source.label, env, serving_text, mask)
    try:
        problems, diff = run_in_thread(check, LOAD_SECONDS)
    except TimeoutError:
        return _unreadable(source, f"it took longer than {LOAD_SECONDS:.0f} seconds to check")
    state = "refused" if problems else "valid"
    return Inspection(source.label, state, version, problems, diff)


def _unreadable(source: Source, message: str) -> Inspection:
    problem = Note(source.label, 0, "", message)
    return Inspection(source.label, "unreadable", problems=(problem,))


def _check(
    text: str,
    label: str,
    env: Mapping[str, str],
    serving_text: str,
    mask: Callable[[str], str],
) -> tuple[tuple[Note, ...], str]:
    """Return the problems of a text, and how it differs from the one that serves."""
    problems: tuple[Note, ...] = ()
    try:
        load_catalog(text, label, env)
    except CatalogError as error:
        problems = tuple(
            problem._replace(file=Path(problem.file).name)
            for problem in error.problems[:MAX_PROBLEMS]
        )
        if more := len(error.problems[MAX_PROBLEMS:]):
            problems += (Note(label, 0, "", f"and {more} more problems"),)
    return problems, diff_catalogs(serving_text, text, label, mask)
