"""Password hashes (argon2id; 19 MiB, 25 ms, few at a time), and a lockout against guessing.

Example::

    with lockout.attempt(username, address):
        verify_password(user.password_hash, password)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.http.forwarded import network_of
from api.threads import run_in_thread
from gateway.errors import RateLimited
from gateway.stores import CounterStore
from schemas.names import password_of

MAX_CONCURRENT_HASHES = 2

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_slots = threading.BoundedSemaphore(MAX_CONCURRENT_HASHES)
#: The hash of a password that nobody knows, made with the same costs.
_UNKNOWN_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$Qoy0Puuc0EytzASW3ZqKMg"
    "$l71dYknPuhzMltuIEAFyR3gfKdOnRPONoN0g3KG8xAs"
)

P = ParamSpec("P")
R = TypeVar("R")


def hash_password(password: str) -> str:
    """Return the hash of a password, however it was typed: see ``password_of``."""
    return _limited(_hasher.hash, password_of(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Return whether the password is right. No hash (no such user) costs the same.

    The password is tried as it was typed, too: hashes of an older version were made so.
    """
    forms = dict.fromkeys((password_of(password), password))
    matches = [_limited(_matches, password_hash or _UNKNOWN_HASH, form) for form in forms]
    return any(matches) and password_hash is not None


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _limited(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run work that hashes: a few at a time."""
    with _slots:
        return run_in_thread(work, *args, **kwargs)


# --- lockout

MAX_FAILURES = 10  # of a username or an address, within the window
WINDOW_SECONDS = 15 * 60  # from the first failure


class Lockout:
    """Locks a username or an address out after too many failed logins.

    An attempt counts as a failure from before its password is checked, until the password turns out
    to be right.

    Few attempts are let in at once, so a burst in parallel gets no more tries than a row of single
    ones, and a burst of right passwords is not taken for failures.
    """

    def __init__(self, store: CounterStore, max_concurrent: int) -> None:
        self._store = store
        self._slots = threading.BoundedSemaphore(max_concurrent)

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[None]:
        """Check a password inside the block; an exception that leaves it is a failure.

        :raises RateLimited: there were too many failures. A locked-out address can lock no further
            username out.
        """
        with self._slots:
            for key in (_address_key(address), _username_key(username)):
                if self._store.increment(key, WINDOW_SECONDS) > MAX_FAILURES:
                    self._store.increment(
                        key, WINDOW_SECONDS, by=-1
                    )  # a refused attempt counts for nothing
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
