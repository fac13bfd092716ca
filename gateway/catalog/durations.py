"""Durations that a catalog may have meant otherwise: milliseconds, or a time that another cuts off.

notes = list(check_durations(document, service, methods))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gateway.catalog.model import Method, Service
from gateway.catalog.yaml.document import Advice, Path_, YamlDocument

_DEFAULTS: Path_ = ("defaults",)

DEADLINE_SECONDS = 10  # of a call, unless a catalog says otherwise
#: From so many seconds on, somebody may have written milliseconds.
MAX_LIKELY_CALL_SECONDS = 1000
MAX_LIKELY_BACKOFF_SECONDS = 100
MAX_LIKELY_INTERVAL_SECONDS = 4000  # an hour between two probes may be meant
HOUR_SECONDS = 3600
DAY_SECONDS = 86400


def check_durations(
    document: YamlDocument, service: Service, methods: Mapping[str, Method]
) -> Iterator[Advice]:
    """Yield a note for each duration that is no likely number of seconds, at its key."""
    of_service: Path_ = ("services", service.name)
    for place, message in _check_seconds(_service_durations(service)):
        yield document.nearest_key(place, of_service, _DEFAULTS), message
    for method in methods.values():
        of_method: Path_ = (*of_service, "methods", method.name)
        for place, message in (*_check_seconds(_method_durations(method)), *_check_timeout(method)):
            yield document.nearest_key(place, of_method, of_service, _DEFAULTS), message


def _service_durations(service: Service) -> Iterator[tuple[Path_, float, float]]:
    """Yield each duration of a service: its key, its seconds, and how many are no longer likely."""
    yield ("breaker", "open_for"), service.breaker.open_for, MAX_LIKELY_INTERVAL_SECONDS
    yield ("breaker", "window"), service.breaker.window, MAX_LIKELY_INTERVAL_SECONDS
    if service.health:
        yield ("health", "interval"), service.health.interval, MAX_LIKELY_INTERVAL_SECONDS


def _method_durations(method: Method) -> Iterator[tuple[Path_, float, float]]:
    yield ("deadline",), method.deadline, MAX_LIKELY_CALL_SECONDS
    yield ("timeout", "connect"), method.timeout.connect, MAX_LIKELY_CALL_SECONDS
    yield ("timeout", "read"), method.timeout.read, MAX_LIKELY_CALL_SECONDS
    yield ("retry", "backoff"), method.retry.backoff, MAX_LIKELY_BACKOFF_SECONDS
    yield ("retry", "max_backoff"), method.retry.max_backoff, MAX_LIKELY_BACKOFF_SECONDS
    if method.cache:
        for key in ("ttl", "stale_while_revalidate", "stale_if_error"):
            seconds = getattr(method.cache, key)
            if not _is_whole_span(seconds):
                yield ("cache", key), seconds, MAX_LIKELY_INTERVAL_SECONDS


def _is_whole_span(seconds: float) -> bool:
    """Return whether it is no round thousand, or is whole hours or days."""
    unit = HOUR_SECONDS if seconds <= 2 * DAY_SECONDS else DAY_SECONDS
    return bool(seconds % 1000) or not seconds % unit


def _check_seconds(durations: Iterable[tuple[Path_, float, float]]) -> Iterator[Advice]:
    for place, seconds, unlikely in durations:
        if seconds >= unlikely:
            text = f"{seconds:.10g} seconds; write {seconds / 1000:g} if milliseconds are meant"
            yield place, text


def _check_timeout(method: Method) -> Iterator[Advice]:
    """Yield a note where an attempt may take longer than the deadline that nobody has set."""
    usual = method.deadline == DEADLINE_SECONDS
    if usual and not method.stream and method.timeout.read > method.deadline:
        yield (
            ("timeout", "read"),
            f"{method.timeout.read:g} seconds, but the whole call ends after"
            f" {method.deadline:g}; raise deadline",
        )
