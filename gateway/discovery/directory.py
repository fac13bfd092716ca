"""The instances of every base URL that names a service, each followed by a thread of its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from gateway.backoff import poll_seconds
from gateway.catalog.registry_names import RegistryName
from gateway.clock import Clock
from gateway.discovery.registries import REGISTRIES, Registry
from gateway.http.discovered import Instances
from gateway.masking import Masker
from gateway.sources.base import SourceError

if TYPE_CHECKING:
    from gateway.runtime import Log

_jitter = random.random  # from 0 to 1
MAX_BACKOFF_SECONDS = 5.0  # between two requests to a registry that is away


class Follower:
    """Asks a registry for one service's instances, again and again, once ``start`` was called.

    While the registry is away, or answers nonsense, those that are known serve on.
    """

    def __init__(self, base_url: str, registry: Registry, clock: Clock, log: Log) -> None:
        self.instances = Instances(clock, self.start)
        self._base_url = base_url
        self._registry = registry
        self._log = log
        self._problem = ""
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        with self._lock:
            if self._thread is not None or self._stopping.is_set():
                return
            self._thread = threading.Thread(target=self._run, name="postern-registry", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._registry.close()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            failures = 0 if self._follow() else failures + 1
            self._stopping.wait(poll_seconds(failures, MAX_BACKOFF_SECONDS, _jitter()))

    def _follow(self) -> bool:
        """Wait for a list and use it; return False where there was none."""
        try:
            urls = self._registry.wait_for_urls(self._stopping)
        # A thread that ended here would leave the list old for ever.
        except Exception as error:  # noqa: BLE001
            self.instances.keep_last()
            if not self._stopping.is_set():
                self._report(error)
            return False
        if self._problem or set(urls) != set(self.instances.urls):
            self._log.info("instances", base_url=self._base_url, count=len(urls))
        self._problem = ""
        self.instances.replace(urls)
        return True

    def _report(self, error: Exception) -> None:
        problem = f"{type(error).__name__}: {error}"
        if isinstance(error, SourceError):
            problem = error.detail
        if problem != self._problem:
            self._problem = problem
            self._log.warning("instances", base_url=self._base_url, problem=problem)


class RegistryDirectory:
    """One for each process.

    :param env: where the registries' addresses and tokens stand.
    :param masker: learns those tokens, and what will be fetched.
    """

    def __init__(self, env: Mapping[str, str], clock: Clock, log: Log, masker: Masker) -> None:
        self._env = env
        self._clock = clock
        self._log = log
        self._masker = masker
        self._followers: dict[str, Follower] = {}
        self._started = False

    def instances(self, base_url: str) -> Instances:
        """Return the instances of a base URL.

        :raises AddressError: the setting that says where the registry is does not.
        """
        if base_url not in self._followers:
            name = RegistryName.read(base_url)
            assert name
            registry = REGISTRIES[name.kind](name, self._env, self._clock, self._masker)
            self._followers[base_url] = Follower(base_url, registry, self._clock, self._log)
        follower = self._followers[base_url]
        if self._started:
            follower.start()
        return follower.instances

    def start(self) -> None:
        self._started = True
        for follower in list(self._followers.values()):
            follower.start()

    def retain(self, base_urls: Collection[str]) -> None:
        for base_url in self._followers.keys() - set(base_urls):
            self._followers.pop(base_url).stop()
