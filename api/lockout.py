"""Guessing passwords is stopped: ten failed logins in a quarter of an hour lock a username or an address out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from api.forwarded import network_of
from gateway.errors import RateLimited
from gateway.stores import Marks

FAILURES = 10
WINDOW = 15 * 60  # seconds, from the first failure


class Lockout:
    """An attempt counts as a failure from before its password is looked at, until it turns out to be right.

    Few attempts are let in at once, so a burst in parallel gets no more tries than a row of single ones,
    and a burst of right passwords is not taken for failures.
    """

    def __init__(self, store: Marks, at_once: int) -> None:
        self._store = store
        self._slots = threading.BoundedSemaphore(at_once)

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[None]:
        """Look at a password inside; an exception from there is a failure, its absence a success.

        :raises RateLimited: there were too many failures. A locked-out address can lock no further username out.
        """
        with self._slots:
            for key in (_by_address(address), _by_username(username)):
                if self._store.increment(key, WINDOW) > FAILURES:
                    self._store.increment(key, WINDOW, by=-1)  # a refused attempt was none
                    self._refuse(key)
            yield
            # The address keeps its other failures, or one account of one's own would clear it.
            self._store.delete(_by_username(username))
            self._store.increment(_by_address(address), WINDOW, by=-1)

    def _refuse(self, key: str) -> NoReturn:
        error = RateLimited("Too many failed logins; see the Retry-After header.", retry_after=self._store.ttl(key))
        error.limit = FAILURES
        raise error


def _by_address(address: str) -> str:
    return f"login:address:{network_of(address)}"


def _by_username(username: str) -> str:
    return f"login:username:{username}"
