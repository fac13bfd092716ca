"""What happened to recent calls, attempt by attempt, kept for an hour where all workers find it.

A call leaves a note when it has ended; a thread of each worker writes the notes of the last LAG, so that no call waits.
They are kept in lists of bounded length: one of BUCKETS by request id, the caller's own, and everybody's; the last two
once more for what has failed. While the store is away a worker keeps its last PENDING.
"""

from __future__ import annotations

import threading
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from gateway.bodies import dump_json, load_json
from gateway.catalog.model import Method
from gateway.clock import iso_utc
from gateway.errors import GatewayError, StoreAway
from gateway.messages import Call, Caller
from gateway.runtime import Runtime

KEPT = 3600.0  # seconds
LAG = 0.2  # seconds from the end of a call until its record is written
BUCKETS = 128  # lists by request id
MOST = 100  # records in one list
LARGEST = 8192  # bytes of one record; the parameters of a larger one are left out, then its events
PENDING = 1000  # records that wait to be written
AT_ONCE = 100  # records that are written in one go

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """One call that has ended: what its record and its spans are made of. It holds neither a catalog nor a traceback.

    :param began: the instant (``Clock.now``); ``elapsed`` is seconds.
    """

    service: str
    method: str
    call: Call
    began: float
    elapsed: float
    code: int
    type: str | None
    source: str | None


class Exporter(Protocol):
    """Gets what has ended, too, beside the store."""

    def export(self, calls: Iterable[Ended], offset: float) -> None: ...
    def close(self) -> None: ...


class Records:
    """Safe under threads and greenlets: each note is taken off the deque by one of them."""

    def __init__(self, parts: Runtime) -> None:
        self._store, self._clock, self._masker, self._log = (
            parts.store,
            parts.clock,
            parts.masker,
            parts.log,
        )
        self._pending: deque[Ended] = deque(maxlen=PENDING)
        self._unwritten: deque[tuple[Record, bytes]] = deque(maxlen=PENDING)
        self.exporter: Exporter | None = None

    def add(self, method: Method, call: Call, began: float, error: BaseException | None) -> None:
        if call.trace.params is None and isinstance(call.params, Mapping):
            call.trace.params = self._masker.params(call.params, method.mask)
        known = error if isinstance(error, GatewayError) else GatewayError
        said = (0, None, None) if error is None else (known.code, known.type, known.source)
        elapsed = self._clock.now() - began
        self._pending.append(Ended(method.service.name, method.name, call, began, elapsed, *said))

    def find(self, request_id: str, caller: Caller) -> list[Record]:
        """All calls under a request id that the caller may see, in the order in which they began.

        :raises StoreAway: they cannot be looked for.
        """
        found = self._of(request_id, caller)
        if not found:  # another worker may be about to write it
            self._clock.sleep(1.5 * LAG)
            found = self._of(request_id, caller)
        return found[::-1]

    def recent(self, caller: Caller, count: int, *, failed: bool) -> list[Record]:
        """The last ``count`` calls that the caller may see, the newest first.

        :raises StoreAway: as ``find``.
        """
        whose = "" if caller.role == "admin" else f":{caller.id}"
        return self._read(f"calls:{'failed' if failed else 'all'}{whose}", count)

    def run(self, stopping: threading.Event) -> None:
        """Write until told to stop."""
        while not stopping.wait(LAG):
            self._flush_safely()
        self._flush_safely()

    def close(self) -> None:
        if self.exporter:
            self.exporter.close()

    def flush(self) -> None:
        """Write what this worker has noted.

        :raises StoreAway: it is kept for the next time.
        """
        while ended := self._taken():
            offset = self._clock.wall() - self._clock.now()
            for each in ended:
                told = _told(each, offset)
                self._unwritten.append((told, self._line(told, each.call.trace.params)))
            if self.exporter:
                self.exporter.export(ended, offset)
            self._clock.sleep(0)
        while batch := [
            self._unwritten.popleft() for _ in range(min(AT_ONCE, len(self._unwritten)))
        ]:
            try:
                self._store.push(_by_list(batch), MOST, KEPT)
            except StoreAway:
                self._unwritten.extendleft(reversed(batch))
                raise

    def _flush_safely(self) -> None:
        try:
            self.flush()
        except StoreAway:
            pass
        except Exception as error:  # noqa: BLE001  # or no record would ever be written again
            self._log.warning("records", why=f"{type(error).__name__}: {error}")

    def _taken(self) -> list[Ended]:
        taken: list[Ended] = []
        try:
            while len(taken) < AT_ONCE:
                taken.append(self._pending.popleft())
        except IndexError:
            pass
        return taken

    def _of(self, request_id: str, caller: Caller) -> list[Record]:
        found = self._read(_bucket(request_id), MOST)
        mine = (each for each in found if caller.role == "admin" or each["caller"] == caller.id)
        return [each for each in mine if each["request_id"] == request_id]

    def _read(self, key: str, count: int) -> list[Record]:
        self.flush()
        oldest = self._clock.wall() - KEPT
        found = [load_json(each) for each in self._store.latest(key, count)]
        found = sorted(
            (each for each in found if each["started_at"] > oldest), key=_started, reverse=True
        )
        return [_shown(each) for each in found]

    def _line(self, record: Record, params: Mapping[str, object] | None) -> bytes:
        """As short as it must be. All but the parameters is in our own words, so that only they may hold a secret."""
        line, shown = dump_json(record), self._masker.line(dump_json(params))
        if len(line) > LARGEST:
            line = dump_json(
                {**record, "attempts": record["attempts"][:10], "events": record["events"][:10]}
            )
        if len(line) + len(shown) > LARGEST:
            shown = b"null"
        return line[:-1] + b',"params":' + shown + b"}"


def records_of(parts: Runtime) -> Records:
    return parts.keep("records", lambda: Records(parts))


def _by_list(batch: Iterable[tuple[Record, bytes]]) -> dict[str, list[bytes]]:
    lists: dict[str, list[bytes]] = {}
    for told, line in batch:
        kinds = ("all", "failed") if told["code"] else ("all",)
        keys = [f"calls:{kind}{whose}" for kind in kinds for whose in ("", f":{told['caller']}")]
        for key in (_bucket(told["request_id"]), *keys):
            lists.setdefault(key, []).append(line)
    return lists


def _bucket(request_id: str) -> str:
    return f"calls:{zlib.crc32(request_id.encode()) % BUCKETS}"


def _started(record: Record) -> float:
    return float(record["started_at"])


def _told(ended: Ended, offset: float) -> Record:
    """All but the parameters, in few steps; ``_shown`` does the rest for who asks.

    :param offset: what ``Clock.wall`` is ahead of ``Clock.now``.
    """
    call, trace = ended.call, ended.call.trace
    return {
        "request_id": call.request_id,
        "trace_id": call.context.trace_id,
        "caller": call.caller.id,
        "service": ended.service,
        "method": ended.method,
        "code": ended.code,
        "type": ended.type,
        "source": ended.source,
        "started_at": ended.began + offset,
        "elapsed": ended.elapsed,
        "cache": trace.cache,
        "fallback": trace.fallback,
        "replayed": trace.replayed,
        "began": ended.began,
        "attempts": [
            (
                each.called,
                each.host,
                each.status,
                each.code,
                each.type,
                each.began,
                each.elapsed,
                each.first_byte,
            )
            for each in trace.attempts
        ],
        "events": trace.events,
    }


def _shown(told: Record) -> Record:
    """As an answer has it."""
    began, elapsed = told.pop("began"), told.pop("elapsed")
    shown = {
        **told,
        "started_at": iso_utc(datetime.fromtimestamp(told["started_at"], UTC)),
        "elapsed_ms": _ms(elapsed),
    }
    shown["attempts"] = [
        _attempt(number, began, *each) for number, each in enumerate(told["attempts"], 1)
    ]
    shown["events"] = [
        {"at_ms": _ms(at - began), "what": what, "detail": said}
        for at, what, said in told["events"]
    ]
    return shown


def _attempt(number: int, began: float, *told: Any) -> Record:
    called, host, status, code, kind, at, elapsed, first = told
    return {
        "number": number,
        "called": called,
        "host": host,
        "status": status,
        "code": code,
        "type": kind,
        "started_ms": _ms(at - began),
        "elapsed_ms": _ms(elapsed),
        "first_byte_ms": None if first is None else _ms(first),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
