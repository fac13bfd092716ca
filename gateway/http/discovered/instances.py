"""The instances of a service that a registry names, and which of them a call goes to."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

from gateway.clock import Clock
from gateway.errors import (
    AddressRefused,
    ConnectFailed,
    GatewayError,
    NoInstance,
    OutcomeUnknown,
    ProxyFailed,
)

FIRST_LIST_SECONDS = 3.0  # that a call waits for the registry's first answer
MAX_FAILURES = 3  # in a row, of calls that were sent
EXCLUSION_SECONDS = 5.0  # at first, and doubled each time that it fails again
MAX_EXCLUSION_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Instance:
    """An instance of a service, as it serves this process.

    :ivar calls: in flight.
    :ivar failures: in a row.
    :ivar exclusions: how often in a row it was left out, the last time until ``excluded_until``.
    :ivar turn: when it was picked last, by a count of all picks.
    """

    url: str
    calls: int = 0
    failures: int = 0
    exclusions: int = 0
    excluded_until: float = 0.0
    turn: int = 0


class InstanceCount(NamedTuple):
    """How many instances serve, and how many are left out for a while."""

    up: int
    left_out: int


class Instances:
    """The instances of one base URL. Safe under threads and greenlets.

    :param follow: begins to ask the registry, unless that has begun.
    """

    def __init__(self, clock: Clock, follow: Callable[[], object]) -> None:
        self._now = clock.now
        self._follow = follow
        self._listed = threading.Event()
        self._lock = threading.Lock()  # of counters only
        self._by_url: dict[str, Instance] = {}
        self._turns = itertools.count(1)

    @property
    def urls(self) -> Collection[str]:
        return self._by_url.keys()

    def replace(self, urls: Iterable[str]) -> None:
        """Use these from now on; one that stays keeps its calls and failures."""
        old = self._by_url
        self._by_url = {url: old.get(url) or Instance(url) for url in urls}
        self._listed.set()

    def keep_last(self) -> None:
        """Go on with the instances of the last list, or with none: the registry is away."""
        self._listed.set()

    def pick(self) -> str:
        """Return the URL of the instance with the least calls in flight.

        Of several the one whose last call was longest ago. Where all are left out, the one that
        comes back first: whether the service as a whole is left alone is the breaker's matter.

        :raises NoInstance: the registry knows none.
        """
        if not self._listed.is_set():
            self._follow()
            self._listed.wait(FIRST_LIST_SECONDS)
        now = self._now()
        instances = list(self._by_url.values())
        if not instances:
            raise NoInstance
        usable = [instance for instance in instances if instance.excluded_until <= now]
        if usable:
            instance = min(usable, key=attrgetter("calls", "turn"))
        else:
            instance = min(instances, key=attrgetter("excluded_until"))
        instance.turn = next(self._turns)
        return instance.url

    def begin(self, url: str) -> Instance | None:
        """Count a call in flight; None where the URL is no instance's."""
        instance = self._by_url.get(url)
        if instance is not None:
            with self._lock:
                instance.calls += 1
        return instance

    def end(self, instance: Instance) -> None:
        """Count a call that is over, however it ended."""
        with self._lock:
            instance.calls -= 1

    def judge(self, instance: Instance, error: GatewayError | None, status: int = 0) -> None:
        """Leave an instance out that cannot be reached, or fails one call after another."""
        if error is None and status < 500:
            instance.failures = 0
            instance.exclusions = 0
            return
        if isinstance(error, ConnectFailed):
            if not isinstance(error, AddressRefused | ProxyFailed):
                self._exclude(instance)
            return
        if error is not None and not isinstance(error, OutcomeUnknown):
            return
        instance.failures += 1
        if instance.failures >= MAX_FAILURES:
            self._exclude(instance)

    def count(self) -> InstanceCount:
        now = self._now()
        instances = list(self._by_url.values())
        excluded_count = sum(instance.excluded_until > now for instance in instances)
        return InstanceCount(len(instances) - excluded_count, excluded_count)

    def _exclude(self, instance: Instance) -> None:
        now = self._now()
        if instance.excluded_until > now:
            return  # of calls that failed side by side the first counts
        seconds = min(EXCLUSION_SECONDS * 2**instance.exclusions, MAX_EXCLUSION_SECONDS)
        instance.exclusions = min(instance.exclusions + 1, 10)
        instance.failures = 0
        instance.excluded_until = now + seconds


class Directory(Protocol):
    """Finds the instances of base URLs that name a service of a registry."""

    def instances(self, base_url: str) -> Instances:
        """Return the same ones for the same URL, until ``retain`` forgets it."""

    def start(self) -> None:
        """Ask the registries from now on, and not only once somebody calls. After the fork."""

    def retain(self, base_urls: Collection[str]) -> None:
        """Forget all others."""
