"""Guessing passwords is stopped: ten failed logins in a quarter of an hour lock a username or an address out."""

from __future__ import annotations

from api.errors import RateLimited
from gateway.stores import Store

FAILURES = 10
WINDOW = 15 * 60  # seconds, from the first failure


class Lockout:
    """Every attempt counts as a failure from before its password is looked at, until it turns out to be right.

    So a burst in parallel gets no more tries than a row of single ones.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self, username: str, address: str) -> None:
        """One more attempt.

        :raises RateLimited: there were too many. A locked-out address can lock no further username out.
        """
        for key in (_by_address(address), _by_username(username)):
            if self._store.increment(key, WINDOW) > FAILURES:
                raise RateLimited("Too many failed logins; try again later.", retry_after=self._store.ttl(key))

    def forgive(self, username: str, address: str) -> None:
        """The attempt was right. The address keeps its other failures, or one account of one's own would clear it."""
        self._store.delete(_by_username(username))
        self._store.increment(_by_address(address), WINDOW, by=-1)


def _by_address(address: str) -> str:
    return f"login:address:{address}"


def _by_username(username: str) -> str:
    return f"login:username:{username}"
