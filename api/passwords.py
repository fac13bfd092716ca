"""Password hashes: argon2id, 19 MiB and some 25 ms each, so only a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.native import beside
from schemas.names import password_of

AT_ONCE = 2

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_slots = threading.BoundedSemaphore(AT_ONCE)
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
        return beside(work, *args, **kwargs)
