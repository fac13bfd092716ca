"""A lockout against the guessing of passwords."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.http.forwarded import network_of
from gateway.errors import RateLimited
from gateway.stores import CounterStore

MAX_FAILURES = 10  # of a username or an address, within the window
WINDOW_SECONDS = 15 * 60  # from the first failure


class Lockout:
    """Locks a username or an address out after too many failed logins.

    An attempt counts as a failure until its password turns out to be right. Few are let in at once,
    so a burst in parallel gets no more tries than a row of single ones, and a burst of right
    passwords is not taken for failures.
    """

    def __init__(self, store: CounterStore, max_concurrent: int) -> None:
        self._store = store
        self._slots = threading.BoundedSemaphore(max_concurrent)

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[None]:
        """Check a password inside the block; an exception that leaves it is a failure.

        :raises RateLimited: too many failures. A locked-out address locks no further username out.
        """
        with self._slots:
            keys = (_address_key(address), _username_key(username))
            for number, key in enumerate(keys, 1):
                if self._store.increment(key, WINDOW_SECONDS) > MAX_FAILURES:
                    for counter in keys[:number]:  # a refused attempt counts for nothing
                        self._store.increment(counter, WINDOW_SECONDS, by=-1)
                    raise self._refusal(key)
            yield
            # The address keeps its other failures, or one account of one's own would clear it.
            self._store.delete(_username_key(username))
            self._store.increment(_address_key(address), WINDOW_SECONDS, by=-1)

    def _refusal(self, key: str) -> RateLimited:
        error = RateLimited(
            f"More than {MAX_FAILURES} failed logins in {WINDOW_SECONDS // 60} minutes; wait as"
            " long as the Retry-After header says.",
            retry_after=self._store.ttl(key),
        )
        error.limit = MAX_FAILURES
        return error


def _address_key(address: str) -> str:
    return f"login:address:{network_of(address)}"


def _username_key(username: str) -> str:
    return f"login:username:{username}"
