"""Follows the catalog's source: takes what changes whole or not at all, and serves the last good one meanwhile."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from gateway.backoff import backoff_seconds
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.model import Catalog
from gateway.clock import Clock, ThreadRunner, run_with_timeout
from gateway.runtime import Log
from gateway.sources import Missing, Source, SourceError, Stopping
from gateway.system import read_regular

# last_good: The last good catalog on disk, for who starts while its source is away or wrong.

MAX_COPY_BYTES = 65 * 1024 * 1024  # a catalog's and the first line


class LastGood:
    """A text and where it came from. What came from elsewhere does not count: it would be another catalog.

    Many processes may write; each text is there whole or not at all, for its owner's eyes only.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._first_line = f"# Postern's copy of the last good catalog in {source}\n"

    def read(self) -> tuple[str, float] | None:
        """The text and when it was written (Unix seconds); None where there is none of this source."""
        try:
            content = read_regular(self.path, MAX_COPY_BYTES).decode()
            written = self.path.stat().st_mtime
        except (OSError, UnicodeDecodeError):
            return None
        first, text = content[: len(self._first_line)], content[len(self._first_line) :]
        return (text, written) if first == self._first_line else None

    def write(self, text: str) -> None:
        """:raises OSError: it cannot be written."""
        kept = self.read()
        if kept and kept[0] == text:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=self.path.parent, prefix=f".{self.path.name}."
        )  # with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                out.write(self._first_line + text)
                out.flush()
                os.fsync(out.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


# watcher: Follows the catalog's source: takes what changes whole or not at all, and serves the last good one meanwhile.

CALM = 0.2  # seconds at least between two questions, whatever a source answers
MOST_TOLD = 4000  # characters of one problem in the log
LOAD_SECONDS = 300.0  # far beyond any catalog's time: whoever needs it waits for a disk that hangs
RECHECK = 30.0  # seconds after which a text that was refused is checked again: a file that it names may be there now
BACKOFF, MOST_BACKOFF = (
    0.5,
    2.0,
)  # seconds, before the jitter: once it is back, a change is not late for long


@dataclass(frozen=True)
class CatalogState:
    """Which catalog serves, and what came of later ones.

    :param version: of the text: the beginning of its SHA-256 in hex.
    :param taken_at: Unix seconds.
    :param taken: how many took another's place.
    :param refused: how many times the source was found wrong or away, in one way or another.
    :param error: why the source's present text does not serve; for anybody to read. Empty when it does.
    :param copy_error: why there is no copy of what serves for a restart; empty when there is one.
    """

    version: str = ""
    taken_at: float = 0.0
    taken: int = 0
    refused: int = 0
    error: str = ""
    copy_error: str = ""

    def __str__(self) -> str:
        """``ok``, or what ``/readyz`` says instead."""
        said = "ok"
        if self.error:
            taken = datetime.fromtimestamp(self.taken_at, UTC)
            said = f"last good one of {taken:%Y-%m-%dT%H:%M:%SZ}; {self.error}"
        return (
            f"{said}; no copy can be kept for a restart: {self.copy_error}"
            if self.copy_error
            else said
        )


class Watcher:
    """One for each process; used by one thread at a time, ``state`` by any.

    :param env: where the catalog's ``${NAME}`` are looked up, anew for every text.
    :param last_good: keeps a copy of what served last.
    :param aside: for the work of reading a catalog, which may take seconds.
    """

    #: Set by a server that is up, for whoever follows: forks and a re-read gunicorn.conf.py find it in memory.
    succeeding: ClassVar[bool] = False

    jitter: Callable[[], float] = staticmethod(random.random)  # from 0 to 1

    def __init__(
        self,
        source: Source,
        env: Mapping[str, str],
        last_good: LastGood,
        *,
        clock: Clock,
        log: Log,
        aside: ThreadRunner = run_with_timeout,
    ) -> None:
        self.source, self.last_good = source, last_good
        self.state = CatalogState()
        self.text = ""  # of the catalog that serves
        self._env, self._clock, self._log, self._aside = env, clock, log, aside
        self._told = self._kept = ""
        self._refused: tuple[str, Exception | None, float] = "", None, 0.0  # version, why, when

    @classmethod
    def of(
        cls,
        source: Source,
        env: Mapping[str, str],
        copy: str,
        *,
        clock: Clock,
        log: Log,
        aside: ThreadRunner = run_with_timeout,
    ) -> Watcher:
        """With its copy in this file."""
        last_good = LastGood(Path(copy), source.name)
        return cls(source, env, last_good, clock=clock, log=log, aside=aside)

    def load(self) -> Catalog:
        """The source's catalog; where it is away or wrong, the last good one.

        That is not for a file at a cold start: whoever starts with a wrong one is told so.

        :raises CatalogError: there is none of either.
        """
        try:
            text, taken_at = self.source.read(), self._clock.wall()
            catalog = self._load(text)
        except (SourceError, CatalogError) as error:
            kept = self.last_good.read() if self.source.away or self.succeeding else None
            if kept is None:
                raise _as_catalog_error(self.source.name, error) from error
            text, taken_at = kept
            catalog = self._load(text, str(self.last_good.path))
            self._tell(error)
        self.text = text
        self.state = replace(self.state, version=_version(text), taken_at=taken_at)
        return catalog

    def run(
        self, stopping: Stopping, swap: Callable[[Catalog], None], count: Callable[[str], None]
    ) -> None:
        """Give every new catalog to ``swap``, until ``stopping``.

        :param swap: as ``Gateway.swap``; when it raises, the old catalog serves on.
        :param count: told ``taken`` or ``refused``, each time the state has one more.
        """
        failures, counted = 0, CatalogState()
        while not stopping.is_set():
            error = self._problem(stopping, swap)
            away = error is not None and not isinstance(error, CatalogError | Missing)
            failures = failures + 1 if away else 0
            if error and not stopping.is_set():
                self._tell(error)
            if self.state.taken != counted.taken:
                count("taken")
            if self.state.refused != counted.refused:
                count("refused")
            counted = self.state
            stopping.wait(
                max(
                    CALM,
                    backoff_seconds(failures, BACKOFF, MOST_BACKOFF, self.jitter()) if away else 0,
                )
            )

    def _problem(self, stopping: Stopping, swap: Callable[[Catalog], None]) -> Exception | None:
        """Wait for a text and take it; what came in between."""
        try:
            self._take(self.source.following(stopping), swap)
        except Exception as error:  # noqa: BLE001  # a thread that ended here would leave the catalog old for ever
            return error
        return None

    def _take(self, text: str, swap: Callable[[Catalog], None]) -> None:
        version = _version(text)
        if version != self.state.version:
            self._use(text, version, swap)
        if version != self._kept or self.state.error:
            self._log.info("catalog", version=version, source=self.source.name)
            self._told, self.state = "", replace(self.state, error="")
            self.keep()

    def _use(self, text: str, version: str, swap: Callable[[Catalog], None]) -> None:
        refused, why, at = self._refused
        lately = (
            self.source.away and self._clock.now() < at + RECHECK
        )  # a file is given only when it has changed
        if version == refused and why and lately:
            raise why.with_traceback(None)  # checking a large text again would find the same
        try:
            # In a native thread: callers are answered while a large catalog is read.
            swap(self._aside(partial(self._load, text), LOAD_SECONDS))
        except Exception as error:
            self._refused = version, error, self._clock.now()
            raise
        self.text, state = text, self.state
        self.state = replace(
            state, version=version, taken_at=self._clock.wall(), taken=state.taken + 1
        )

    def _load(self, text: str, name: str = "") -> Catalog:
        return load_catalog(text, name or self.source.name, self._env)

    def keep(self) -> None:
        """A copy of what serves, for who comes after."""
        self._kept = self.state.version
        copy_error = ""
        try:
            self.last_good.write(self.text)
        except OSError as error:
            copy_error = error.strerror or type(error).__name__
            self._log.warning("catalog", problem=f"no copy can be kept for a restart: {error}")
        self.state = replace(self.state, copy_error=copy_error)

    def _tell(self, error: Exception) -> None:
        """In the state and, unless it is what was told last, in the log."""
        if isinstance(error, CatalogError):
            line, key, _ = error.problems[0]
            more = (
                f" and {len(error.problems) - 1} more problems" if len(error.problems) > 1 else ""
            )
            said, detail = (
                f"{self.source.label}: line {line}{key and f', {key}'} is wrong{more}",
                str(error),
            )
        elif isinstance(error, SourceError):
            said, detail = str(error), error.detail
        else:
            said, detail = (
                f"{self.source.label}: {type(error).__name__}",
                f"{type(error).__name__}: {error}",
            )
        if detail == self._told:
            return
        self._told = detail
        self.state = replace(self.state, error=said, refused=self.state.refused + 1)
        self._log.warning(
            "catalog",
            problem=detail[:MOST_TOLD],
            version=self.state.version,
            source=self.source.name,
        )


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _as_catalog_error(name: str, error: SourceError | CatalogError) -> CatalogError:
    if isinstance(error, CatalogError):
        return error
    return CatalogError(name, [(0, "", error.detail)])
