"""Native threads, for what would hold up every greenlet of a worker: a slow disk, a password hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gevent import Timeout, get_hub, monkey

from gateway.clock import in_thread

P = ParamSpec("P")
T = TypeVar("T")


def run_in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` gives, from a native thread where greenlets would have to wait for it, otherwise from this one."""
    if not monkey.is_module_patched("threading"):
        return work(*args, **kwargs)
    return _value(get_hub().threadpool.apply(_outcome, (lambda: work(*args, **kwargs),)))


def run_in_thread_within(work: Callable[[], T], seconds: float) -> T:
    """As ``gateway.clock.Aside``.

    :raises TimeoutError: it took longer; the thread is left to it.
    """
    if not monkey.is_module_patched("threading"):
        return in_thread(work, seconds)
    try:
        return _value(get_hub().threadpool.spawn(_outcome, work).get(timeout=seconds))
    except Timeout as error:
        raise TimeoutError from error


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """Result and error: gevent prints what leaves a thread of its pool."""
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001  # raised again by who waits
        return None, error


def _value(outcome: tuple[T | None, BaseException | None]) -> T:
    result, error = outcome
    if error is not None:
        try:
            raise error
        finally:
            del (
                error,
                outcome,
            )  # the traceback has this frame: both would stay until garbage is collected
    return result  # type: ignore[return-value]
