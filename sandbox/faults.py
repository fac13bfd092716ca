"""What can be made to go wrong: the words of a fault and the faults in force.

A SPEC is words separated by ";" or ",". Seconds and sizes (bytes) are numbers.

Before answering     delay=S  hang  reset  close  garbage
Instead of vendor's  status=CODE  status=CODExN (the first N times)  html  html=CODE
                     retry-after=S (status 429 unless given)  retry-after-date=S (an HTTP date)
                     bad-json  empty  nan  latin  huge=BYTES  gzip-bomb=BYTES
Coding of the body   gzip  deflate  bad-gzip
Framing              short  long  truncated  chunked  http10  1xx
Pace                 drip=S  drip-headers=S
After answering      stale (closes at once)  reset-next (resets when the next request comes)
Counting             times=N (the whole SPEC holds N times)  id=TEXT (counts apart from others)

A vendor whose answer is replaced, or who never answers, does not act on the request either.
"""

import itertools
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sandbox.messages import Request

HEADER = "x-sandbox-fault"
MAX_COUNTERS = 10_000
MAX_BODY_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Plan:
    """A parsed SPEC: seconds are floats, an empty text or zero means "as usual"."""

    delay: float = 0.0
    ending: str = ""
    status: int = 0
    status_times: int = 0
    retry_after: float | None = None
    retry_date: bool = False
    body: str = ""
    size: int = 0
    coding: str = ""
    framing: str = ""
    early_hints: bool = False
    drip: float = 0.0
    drip_headers: float = 0.0
    after: str = ""
    times: int = 0
    id: str = ""


_FLAGS: dict[str, dict[str, Any]] = {
    **{word: {"ending": word} for word in ("hang", "reset", "close", "garbage")},
    **{word: {"body": word} for word in ("html", "bad-json", "empty", "nan", "latin")},
    **{word: {"coding": word} for word in ("gzip", "deflate", "bad-gzip")},
    **{word: {"framing": word} for word in ("short", "long", "truncated", "chunked", "http10")},
    **{word: {"after": word} for word in ("stale", "reset-next")},
    "1xx": {"early_hints": True},
}


def _seconds(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(text)
    return number


def _integer(text: str, minimum: int, maximum: int) -> int:
    number = int(text)
    if not minimum <= number <= maximum:
        raise ValueError(text)
    return number


def _status(text: str) -> dict[str, Any]:
    parts = re.fullmatch(r"(\d{3})(?:x(\d{1,6}))?", text)
    if parts is None:
        raise ValueError(text)
    return {
        "status": _integer(parts[1], 200, 599),
        "status_times": _integer(parts[2] or "0", 0, 10**6),
    }


_VALUES: dict[str, Callable[[str], dict[str, Any]]] = {
    "delay": lambda text: {"delay": _seconds(text)},
    "drip": lambda text: {"drip": _seconds(text)},
    "drip-headers": lambda text: {"drip_headers": _seconds(text)},
    "status": _status,
    "html": lambda text: {"body": "html", "status": _integer(text, 200, 599)},
    "retry-after": lambda text: {"retry_after": _seconds(text)},
    "retry-after-date": lambda text: {"retry_after": _seconds(text), "retry_date": True},
    "huge": lambda text: {"body": "huge", "size": _integer(text, 2, MAX_BODY_BYTES)},
    "gzip-bomb": lambda text: {
        "body": "gzip-bomb",
        "coding": "bomb",
        "size": _integer(text, 2, MAX_BODY_BYTES),
    },
    "times": lambda text: {"times": _integer(text, 1, 10**6)},
    "id": lambda text: {"id": text},
}


@lru_cache(maxsize=1024)
def parse(spec: str) -> Plan:
    """Read a SPEC.

    :raises ValueError: unknown words, bad numbers, or words that exclude each other; says so.
    """
    settings: dict[str, Any] = {}
    for word in filter(None, (part.strip() for part in re.split("[;,]", spec))):
        for name, value in _read_word(word).items():
            if settings.get(name):
                raise ValueError(f"fault word {word!r} contradicts another in {spec!r}")
            settings[name] = value
    if settings.get("retry_after") is not None:
        settings.setdefault("status", 429)
    plan = Plan(**settings)
    if plan.body == "huge" and plan.coding:
        raise ValueError("huge is streamed and cannot be compressed: use gzip-bomb")
    return plan


def _read_word(word: str) -> dict[str, Any]:
    name, equals, value = word.partition("=")
    if not equals and name in _FLAGS:
        return _FLAGS[name]
    if not equals or name not in _VALUES:
        raise ValueError(f"unknown fault word {word!r}")
    try:
        return _VALUES[name](value.strip())
    except ValueError:
        raise ValueError(f"fault word {word!r} has a bad value") from None


@dataclass(slots=True)
class _PresetFault:
    """A fault set beforehand; `remaining` is how many requests it still holds for, None for all."""

    spec: str
    remaining: int | None
    serial: int


class FaultBook:
    """Thread-safe: faults set beforehand by path, and how often counted ones have happened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._presets: dict[str, _PresetFault] = {}
        self._counts: dict[tuple[int, str, str, str], int] = {}
        self._serials = itertools.count(1)

    def set(self, path: str, spec: str, times: int | None = None) -> None:
        """Set a fault for the next `times` requests (None: all) on a path, or on all that begin so
        if it ends in "*".

        It replaces what was set for the path; an empty spec only removes that.
        """
        if not path.startswith(("/", "*")):
            raise ValueError("a fault's path begins with / or is *")
        if times is not None and times < 1:
            raise ValueError("times is at least 1")
        parse(spec)
        with self._lock:
            self._presets.pop(path, None)
            if spec.strip():
                self._presets[path] = _PresetFault(spec, times, next(self._serials))

    def clear(self) -> None:
        with self._lock:
            self._presets.clear()
            self._counts.clear()

    def plan_for(self, request: Request, prefix_spec: str = "") -> Plan | None:
        """Return the request's own fault (header first, then path prefix), else one set
        beforehand.
        """
        spec = request.headers.get(HEADER) or prefix_spec
        serial = 0
        if not spec:
            if not self._presets:
                return None
            spec, serial = self._use_preset(request.path)
        if not spec:
            return None
        plan = parse(spec)
        if not (plan.times or plan.status_times):
            return plan
        count = self._count((serial, spec, request.path, request.first("id")))
        if plan.times and count > plan.times:
            return None
        if plan.status_times and count > plan.status_times:
            return replace(plan, status=0, retry_after=None)
        return plan

    def _use_preset(self, path: str) -> tuple[str, int]:
        with self._lock:
            key = self._matching_path(path)
            if not key:
                return "", 0
            preset = self._presets[key]
            if preset.remaining is not None:
                preset.remaining -= 1
                if preset.remaining == 0:
                    del self._presets[key]
            return preset.spec, preset.serial

    def _matching_path(self, path: str) -> str:
        """Return the path itself, else the longest pattern that fits, else nothing."""
        if path in self._presets:
            return path
        patterns = [
            pattern
            for pattern in self._presets
            if pattern.endswith("*") and path.startswith(pattern[:-1])
        ]
        return max(patterns, key=len, default="")

    def _count(self, key: tuple[int, str, str, str]) -> int:
        with self._lock:
            count = self._counts.pop(key, 0) + 1  # moves it to the end: the oldest goes first
            self._counts[key] = count
            if len(self._counts) > MAX_COUNTERS:
                del self._counts[next(iter(self._counts))]
            return count
