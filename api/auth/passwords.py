"""Password hashes: argon2id; 19 MiB, 25 ms, few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.threads import run_in_thread
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
    return _run_in_slot(_hasher.hash, password_of(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Return whether the password is right. No hash (no such user) costs the same.

    The password is tried as it was typed, too: hashes of an older version were made so.
    """
    forms = dict.fromkeys((password_of(password), password))
    matches = [_run_in_slot(_matches, password_hash or _UNKNOWN_HASH, form) for form in forms]
    return any(matches) and password_hash is not None


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _run_in_slot(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run work that hashes: a few at a time."""
    with _slots:
        return run_in_thread(work, *args, **kwargs)
