"""Password hashes: argon2id, 19 MiB and some 25 ms each, so only a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.http.forwarded import network_of
from api.threads import run_in_thread
from gateway.errors import RateLimited
from gateway.stores import CounterStore
from schemas.names import password_of

# passwords: Password hashes: argon2id, 19 MiB and some 25 ms each, so only a few at a time.

MAX_CONCURRENT_HASHES = 2

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_slots = threading.BoundedSemaphore(MAX_CONCURRENT_HASHES)
#: The hash of a password that nobody knows, made with the same costs.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$Qoy0Puuc0EytzASW3ZqKMg$l71dYknPuhzMltuIEAFyR3gfKdOnRPONoN0g3KG8xAs"

P = ParamSpec("P")
R = TypeVar("R")


def hash_password(password: str) -> str:
    """However it was typed: see ``password_of``."""
    return _apart(_hasher.hash, password_of(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is the right one. No hash, for no such user, costs the same and is never right.

    It is tried as it was given, too: hashes of an older version were made so.
    """
    forms = dict.fromkeys((password_of(password), password))
    fits = [_apart(_fits, password_hash or _NOBODY, form) for form in forms]
    return any(fits) and password_hash is not None


def _fits(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _apart(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Hash, a few at a time."""
    with _slots:
        return run_in_thread(work, *args, **kwargs)


# lockout: Guessing passwords is stopped: ten failed logins in a quarter of an hour lock a username or an address out.

FAILURES = 10
WINDOW = 15 * 60  # seconds, from the first failure


class Lockout:
    """An attempt counts as a failure from before its password is looked at, until it turns out to be right.

    Few attempts are let in at once, so a burst in parallel gets no more tries than a row of single ones,
    and a burst of right passwords is not taken for failures.
    """

    def __init__(self, store: CounterStore, at_once: int) -> None:
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
        error = RateLimited(
            "Too many failed logins; see the Retry-After header.", retry_after=self._store.ttl(key)
        )
        error.limit = FAILURES
        raise error


def _by_address(address: str) -> str:
    return f"login:address:{network_of(address)}"


def _by_username(username: str) -> str:
    return f"login:username:{username}"
