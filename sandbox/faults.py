"""What can be made to go wrong: the words of a fault and the faults in force.

A SPEC is words separated by ";" or ",". Seconds and sizes (bytes) are numbers.

Before answering     delay=S  hang  reset  close  garbage
Instead of vendor's  status=CODE  status=CODExN (the first N times)  retry-after=S (status 429 unless given)
                     retry-after-date=S (as an HTTP date)  html  html=CODE  bad-json  empty  nan  latin
                     huge=BYTES  gzip-bomb=BYTES
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
MAX_SIZE = 4 * 1024**3


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


def _whole(text: str, lowest: int, highest: int) -> int:
    number = int(text)
    if not lowest <= number <= highest:
        raise ValueError(text)
    return number


def _status(text: str) -> dict[str, Any]:
    parts = re.fullmatch(r"(\d{3})(?:x(\d{1,6}))?", text)
    if parts is None:
        raise ValueError(text)
    return {"status": _whole(parts[1], 200, 599), "status_times": _whole(parts[2] or "0", 0, 10**6)}


_VALUES: dict[str, Callable[[str], dict[str, Any]]] = {
    "delay": lambda text: {"delay": _seconds(text)},
    "drip": lambda text: {"drip": _seconds(text)},
    "drip-headers": lambda text: {"drip_headers": _seconds(text)},
    "status": _status,
    "html": lambda text: {"body": "html", "status": _whole(text, 200, 599)},
    "retry-after": lambda text: {"retry_after": _seconds(text)},
    "retry-after-date": lambda text: {"retry_after": _seconds(text), "retry_date": True},
    "huge": lambda text: {"body": "huge", "size": _whole(text, 2, MAX_SIZE)},
    "gzip-bomb": lambda text: {
        "body": "gzip-bomb",
        "coding": "bomb",
        "size": _whole(text, 2, MAX_SIZE),
    },
    "times": lambda text: {"times": _whole(text, 1, 10**6)},
    "id": lambda text: {"id": text},
}


@lru_cache(maxsize=1024)
def parse(spec: str) -> Plan:
    """ValueError, with a sentence, for unknown words, bad numbers and words that exclude each other."""
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
class _Standing:
    """A fault set beforehand; `left` is how many requests it still holds for, None for all."""

    spec: str
    left: int | None
    serial: int


class FaultBook:
    """Thread-safe: faults set beforehand by path, and how often counted ones have happened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standing: dict[str, _Standing] = {}
        self._counts: dict[tuple[int, str, str, str], int] = {}
        self._serials = itertools.count(1)

    def set(self, path: str, spec: str, times: int | None = None) -> None:
        """For the next `times` requests (None: all) on a path, or on all that begin so if it ends in "*".

        Replaces what was set for the path; an empty spec only removes that.
        """
        if not path.startswith(("/", "*")):
            raise ValueError("a fault's path begins with / or is *")
        if times is not None and times < 1:
            raise ValueError("times is at least 1")
        parse(spec)
        with self._lock:
            self._standing.pop(path, None)
            if spec.strip():
                self._standing[path] = _Standing(spec, times, next(self._serials))

    def clear(self) -> None:
        with self._lock:
            self._standing.clear()
            self._counts.clear()

    def plan_for(self, request: Request, prefix_spec: str = "") -> Plan | None:
        """The request's own fault (header first, then path prefix), else one set beforehand, else None."""
        spec, serial = request.headers.get(HEADER) or prefix_spec, 0
        if not spec:
            if not self._standing:
                return None
            spec, serial = self._use_standing(request.path)
        plan = parse(spec) if spec else None
        if plan is None or not (plan.times or plan.status_times):
            return plan
        nth = self._count((serial, spec, request.path, request.first("id")))
        if plan.times and nth > plan.times:
            return None
        if plan.status_times and nth > plan.status_times:
            return replace(plan, status=0, retry_after=None)
        return plan

    def _use_standing(self, path: str) -> tuple[str, int]:
        with self._lock:
            patterns = [p for p in self._standing if p.endswith("*") and path.startswith(p[:-1])]
            key = path if path in self._standing else max(patterns, key=len, default="")
            if not key:
                return "", 0
            standing = self._standing[key]
            if standing.left is not None:
                standing.left -= 1
                if standing.left == 0:
                    del self._standing[key]
            return standing.spec, standing.serial

    def _count(self, key: tuple[int, str, str, str]) -> int:
        with self._lock:
            self._counts[key] = nth = self._counts.pop(key, 0) + 1
            if len(self._counts) > MAX_COUNTERS:
                del self._counts[next(iter(self._counts))]
            return nth
