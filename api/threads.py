"""Native threads, for what would hold up every greenlet: a slow disk, a password hash."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from gevent import Timeout, get_hub, monkey

from gateway.clock import run_with_timeout

P = ParamSpec("P")
T = TypeVar("T")


Outcome = tuple[T | None, BaseException | None]


def capture(work: Callable[[], T]) -> Outcome[T]:
    """Return the result of ``work`` and its error, one None: gevent prints what leaves its pool."""
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
        return None, error


def unwrap(outcome: Outcome[T]) -> T:
    """Return the result of ``capture``, or raise its error."""
    result, error = outcome
    if error is not None:
        try:
            raise error
        finally:
            # The traceback has this frame: both would stay until garbage is collected.
            del error, outcome
    return result  # type: ignore[return-value]


def run_in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``work``, from a native thread where greenlets would wait for it."""
    if not monkey.is_module_patched("threading"):
        return work(*args, **kwargs)
    return unwrap(get_hub().threadpool.apply(capture, (partial(work, *args, **kwargs),)))


def run_in_thread_within(work: Callable[[], T], seconds: float) -> T:
    """Return what ``run_in_thread`` does, within a time: see ``gateway.clock.ThreadRunner``.

    :raises TimeoutError: it took longer; the thread goes on with it.
    """
    if not monkey.is_module_patched("threading"):
        return run_with_timeout(work, seconds)
    try:
        return unwrap(get_hub().threadpool.spawn(capture, work).get(timeout=seconds))
    except Timeout as error:
        raise TimeoutError from error
