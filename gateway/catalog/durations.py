"""Durations that a catalog may have meant otherwise: milliseconds, or a time that another cuts off.

notes = list(check_durations(service, methods))
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.catalog.model import Method, Service

DEADLINE_SECONDS = 10  # of a call, unless a catalog says otherwise
#: From so many seconds on, somebody may have written milliseconds.
MAX_LIKELY_CALL_SECONDS = 1000
MAX_LIKELY_BACKOFF_SECONDS = 100


def check_durations(service: Service, methods: dict[str, Method]) -> Iterator[str]:
    """Yield a note for each duration that is no likely number of seconds, once for each service."""
    told: set[str] = set()
    for method in methods.values():
        for note in (*_milliseconds(method), *_cut_off(method)):
            if note not in told:
                told.add(note)
                yield f"services.{service.name}.methods.{method.name}: {note}"


def _milliseconds(method: Method) -> Iterator[str]:
    values = (
        ("deadline", method.deadline, MAX_LIKELY_CALL_SECONDS),
        ("timeout.connect", method.timeout.connect, MAX_LIKELY_CALL_SECONDS),
        ("timeout.read", method.timeout.read, MAX_LIKELY_CALL_SECONDS),
        ("retry.backoff", method.retry.backoff, MAX_LIKELY_BACKOFF_SECONDS),
        ("retry.max_backoff", method.retry.max_backoff, MAX_LIKELY_BACKOFF_SECONDS),
    )
    for key, seconds, most in values:
        if seconds >= most:
            yield (
                f"{key} is {seconds:g} seconds; write {seconds / 1000:g} if milliseconds are meant"
            )


def _cut_off(method: Method) -> Iterator[str]:
    """Yield a note where an attempt may take longer than the deadline that nobody has set."""
    usual = method.deadline == DEADLINE_SECONDS
    if usual and not method.stream and method.timeout.read > method.deadline:
        yield (
            f"timeout.read is {method.timeout.read:g} seconds, but the whole call ends after"
            f" {method.deadline:g}; raise deadline"
        )
