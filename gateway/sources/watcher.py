"""Follows the catalog's source: takes a change whole or not at all; the last good one serves on."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, ClassVar

from gateway.backoff import poll_seconds
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.model import Catalog
from gateway.clock import Clock, ThreadRunner, run_with_timeout
from gateway.sources import Missing, Source, SourceError
from gateway.sources.last_good import LastGood

if TYPE_CHECKING:
    from gateway.runtime import Log

MAX_PROBLEM_CHARACTERS = 4000  # of one problem in the log
# After them a text that was refused is checked again: a file that it names may exist now.
RECHECK_SECONDS = 30.0
# Far beyond any catalog's time: whoever needs it waits for a disk that hangs.
LOAD_SECONDS = 300.0
# Short, so that a change is not late for long once the source is back.
MAX_BACKOFF_SECONDS = 2.0


@dataclass(frozen=True)
class CatalogState:
    """Which catalog serves, and what came of later ones.

    :param version: of the text: the beginning of its SHA-256 in hex.
    :param loaded_at: Unix seconds.
    :param reloads: how many catalogs took another's place.
    :param rejections: how many times the source was found wrong or away, in one way or another.
    :param error: why the source's present text does not serve, for anybody; empty when it does.
    :param copy_error: why there is no copy of what serves for a restart; empty when there is one.
    """

    version: str = ""
    loaded_at: float = 0.0
    reloads: int = 0
    rejections: int = 0
    error: str = ""
    copy_error: str = ""

    def __str__(self) -> str:
        """Return ``ok``, or what ``/readyz`` says instead."""
        text = "ok"
        if self.error:
            loaded_at = datetime.fromtimestamp(self.loaded_at, UTC)
            text = f"last good one of {loaded_at:%Y-%m-%dT%H:%M:%SZ}; {self.error}"
        if self.copy_error:
            text += f"; no copy can be kept for a restart: {self.copy_error}"
        return text


@dataclass(frozen=True)
class _Rejection:
    """A text that did not serve. ``at`` is an instant of the clock."""

    version: str
    error: Exception
    at: float


class Watcher:
    """One for each process; used by one thread at a time, ``state`` by any.

    :param env: where the catalog's ``${NAME}`` are looked up, anew for every text.
    :param last_good: keeps a copy of the catalog that served last.
    :param run_in_thread: reads a changed catalog, for seconds maybe, while callers are answered.
    """

    #: Set by a server that is up, for its successors: forks and a re-read gunicorn.conf.py.
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
        run_in_thread: ThreadRunner = run_with_timeout,
    ) -> None:
        self.source = source
        self.last_good = last_good
        self.state = CatalogState()
        self.text = ""  # of the catalog that serves
        self._env = env
        self._clock = clock
        self._log = log
        self._run_in_thread = run_in_thread
        self._logged_problem = ""
        self._copy_version = ""
        self._rejection: _Rejection | None = None

    def load(self) -> Catalog:
        """Return the source's catalog; where it is away or wrong, the last good one.

        Not of a file at a cold start: whoever starts with a wrong file shall see its problems.

        :raises CatalogError: there is none of either.
        """
        try:
            text = self.source.read()
            loaded_at = self._clock.wall()
            catalog = self._load(text, self.source.name)
        except (SourceError, CatalogError) as error:
            copy = None
            if self.source.away or self.succeeding:
                copy = self.last_good.read()
            if copy is None:
                if isinstance(error, CatalogError):
                    raise
                raise CatalogError(self.source.name, [(0, "", error.detail)]) from error
            text = copy.text
            loaded_at = copy.written_at
            catalog = self._load(text, str(self.last_good.path))
            self._report(error)
        self.text = text
        self.state = replace(self.state, version=text_version(text), loaded_at=loaded_at)
        return catalog

    def run(
        self, stopping: Event, swap: Callable[[Catalog], None], count: Callable[[str], None]
    ) -> None:
        """Pass every new catalog to ``swap``, until ``stopping``.

        :param swap: as ``Gateway.swap``; when it raises, the old catalog serves on.
        :param count: gets ``taken`` or ``refused``, each time the state has one more.
        """
        failures = 0
        counted = CatalogState()
        while not stopping.is_set():
            error = self._follow(stopping, swap)
            away = error is not None and not isinstance(error, CatalogError | Missing)
            failures = failures + 1 if away else 0
            if error and not stopping.is_set():
                self._report(error)
            if self.state.reloads != counted.reloads:
                count("taken")
            if self.state.rejections != counted.rejections:
                count("refused")
            counted = self.state
            stopping.wait(poll_seconds(failures, MAX_BACKOFF_SECONDS, self.jitter()))

    def _follow(self, stopping: Event, swap: Callable[[Catalog], None]) -> Exception | None:
        """Wait for a text and use it; return the error that prevented it."""
        try:
            self._use(self.source.wait_for_text(stopping), swap)
        # A thread that ended here would leave the catalog old for ever.
        except Exception as error:  # noqa: BLE001
            return error
        return None

    def _use(self, text: str, swap: Callable[[Catalog], None]) -> None:
        version = text_version(text)
        if version != self.state.version:
            self._swap(text, version, swap)
        if version != self._copy_version or self.state.error:
            self._log.info("catalog", version=version, source=self.source.name)
            self._logged_problem = ""
            self.state = replace(self.state, error="")
            self.keep()

    def _swap(self, text: str, version: str, swap: Callable[[Catalog], None]) -> None:
        self._raise_recent_error(version)
        try:
            load = partial(self._load, text, self.source.name)
            swap(self._run_in_thread(load, LOAD_SECONDS))
        except Exception as error:
            self._rejection = _Rejection(version, error, self._clock.now())
            raise
        self.text = text
        self.state = replace(
            self.state,
            version=version,
            loaded_at=self._clock.wall(),
            reloads=self.state.reloads + 1,
        )

    def _raise_recent_error(self, version: str) -> None:
        """Raise the error of a text that was refused a moment ago, in place of checking it again.

        A file's text comes only when it has changed, so it is always checked.
        """
        rejection = self._rejection
        if not self.source.away or not rejection or rejection.version != version:
            return
        if self._clock.now() < rejection.at + RECHECK_SECONDS:
            raise rejection.error.with_traceback(None)

    def _load(self, text: str, name: str) -> Catalog:
        return load_catalog(text, name, self._env)

    def keep(self) -> None:
        """Write a copy of the catalog that serves, for a restart."""
        self._copy_version = self.state.version
        copy_error = ""
        try:
            self.last_good.write(self.text)
        except OSError as error:
            copy_error = error.strerror or type(error).__name__
            self._log.warning("catalog", problem=f"no copy can be kept for a restart: {error}")
        self.state = replace(self.state, copy_error=copy_error)

    def _report(self, error: Exception) -> None:
        """Put an error into the state and, unless it was the last one there, into the log."""
        summary, detail = self._describe(error)
        if detail == self._logged_problem:
            return
        self._logged_problem = detail
        self.state = replace(self.state, error=summary, rejections=self.state.rejections + 1)
        self._log.warning(
            "catalog",
            problem=detail[:MAX_PROBLEM_CHARACTERS],
            version=self.state.version,
            source=self.source.name,
        )

    def _describe(self, error: Exception) -> tuple[str, str]:
        """Return what anybody may read of an error, and what the log says."""
        if isinstance(error, SourceError):
            return str(error), error.detail
        kind = type(error).__name__
        if not isinstance(error, CatalogError):
            return f"{self.source.label}: {kind}", f"{kind}: {error}"
        file, line, key, _ = error.problems[0]
        place = f"line {line}"
        if file != error.name:
            place = f"{Path(file).name} line {line}"
        if key:
            place = f"{place}, {key}"
        summary = f"{self.source.label}: {place} is wrong"
        if more := len(error.problems) - 1:
            summary += f" and {more} more problem{'s' * (more != 1)}"
        return summary, str(error)


def text_version(text: str) -> str:
    """Return what a text's version is called: the beginning of its SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
