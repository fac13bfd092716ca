"""What happened to recent calls, attempt by attempt, kept for an hour where all workers find it.

A call leaves a note when it ends; a thread of each worker writes the notes to the store, in lists
of bounded length: one of BUCKETS by request id, the caller's own, and everybody's, which is longer;
the last two once more for failed calls. A worker keeps MAX_PENDING_RECORDS while the store is away.
"""

from __future__ import annotations

import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.bodies import dump_json, load_json
from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.masking import Masker
from gateway.messages import Caller
from gateway.stores import Store
from gateway.telemetry.call_record import Record, RecordQuery, render, to_record
from gateway.telemetry.ended_call import EndedCall, Exporter

RETENTION_SECONDS = 3600.0
FLUSH_SECONDS = 0.2  # from the end of a call until its record is written
BUCKETS = 128  # lists by request id
MAX_LIST_RECORDS = 100
MAX_EVERYBODYS_RECORDS = 1000
MAX_RECORD_BYTES = 8192  # of a larger record the parameters are left out, then its events
MAX_PENDING_RECORDS = 1000  # records that wait to be written
BATCH_RECORDS = 100  # written in one go
MAX_SHORTENED_ENTRIES = 10  # attempts, and events, that a record too large keeps


class CallRecords:
    """Writes and reads the records. Safe under threads and greenlets: one takes each note.

    :param warn: writes a log line, ``warn(event, **fields)``.
    """

    def __init__(
        self, store: Store, clock: Clock, masker: Masker, warn: Callable[..., Any]
    ) -> None:
        self._store = store
        self._clock = clock
        self._masker = masker
        self._warn = warn
        self._pending: deque[EndedCall] = deque(maxlen=MAX_PENDING_RECORDS)
        self._unwritten: deque[tuple[Record, bytes]] = deque(maxlen=MAX_PENDING_RECORDS)
        self.exporter: Exporter | None = None

    def add(self, ended: EndedCall, hidden: frozenset[str]) -> None:
        """Note a call.

        :param hidden: the parameters that no log may show.
        """
        call = ended.call
        if call.trace.params is None and isinstance(call.params, Mapping):
            call.trace.params = self._masker.mask_params(call.params, hidden)
        self._pending.append(ended)

    def find(self, request_id: str, caller: Caller) -> list[Record]:
        """Return all calls under a request id that the caller may see, the oldest first.

        :raises StoreUnavailable: they cannot be looked for.
        """
        records = self._find(request_id, caller)
        if not records:  # another worker may be about to write it
            self._clock.sleep(1.5 * FLUSH_SECONDS)
            records = self._find(request_id, caller)
        return records[::-1]

    def search(self, caller: Caller, query: RecordQuery) -> list[Record]:
        """Return the last calls that are asked for and that the caller may see, the newest first.

        :raises StoreUnavailable: as ``find``.
        """
        kind = "failed" if query.failed else "all"
        of_caller = "" if caller.role == "admin" else f":{caller.id}"
        return self._read(f"calls:{kind}{of_caller}", MAX_EVERYBODYS_RECORDS, caller, query)

    def run(self, stopping: threading.Event) -> None:
        """Write what was noted, again and again, until ``stopping`` is set."""
        while not stopping.wait(FLUSH_SECONDS):
            self._flush_safely()
        self._flush_safely()

    def close(self) -> None:
        if self.exporter:
            self.exporter.close()

    def flush(self) -> None:
        """Write what this worker has noted.

        :raises StoreUnavailable: it is kept for the next time.
        """
        while batch := self._next_pending():
            offset = self._clock.wall() - self._clock.now()
            for ended in batch:
                record = to_record(ended, offset)
                line = self._to_line(record, ended.call.trace.params)
                self._unwritten.append((record, line))
            if self.exporter:
                self.exporter.export(batch, offset)
            self._clock.sleep(0)  # the calls of other greenlets go first
        while self._unwritten:
            self._write_batch()

    def _write_batch(self) -> None:
        size = min(BATCH_RECORDS, len(self._unwritten))
        batch = [self._unwritten.popleft() for _ in range(size)]
        try:
            self._store.push(_by_list(batch), MAX_LIST_RECORDS, RETENTION_SECONDS)
            self._store.push(_of_everybody(batch), MAX_EVERYBODYS_RECORDS, RETENTION_SECONDS)
        except StoreUnavailable:
            self._unwritten.extendleft(reversed(batch))
            raise

    def _flush_safely(self) -> None:
        try:
            self.flush()
        except StoreUnavailable:
            pass
        except Exception as error:  # noqa: BLE001  # or no record would ever be written again
            self._warn("records", why=f"{type(error).__name__}: {error}")

    def _next_pending(self) -> list[EndedCall]:
        batch: list[EndedCall] = []
        try:
            while len(batch) < BATCH_RECORDS:
                batch.append(self._pending.popleft())
        except IndexError:  # another thread took the last one
            pass
        return batch

    def _find(self, request_id: str, caller: Caller) -> list[Record]:
        equal = {"request_id": request_id}
        if caller.role != "admin":
            equal["caller"] = caller.id
        return self._read(
            _bucket_key(request_id), MAX_LIST_RECORDS, caller, RecordQuery(False, equal)
        )

    def _read(self, key: str, count: int, caller: Caller, query: RecordQuery) -> list[Record]:
        self.flush()
        oldest = self._clock.wall() - RETENTION_SECONDS
        records = [load_json(line) for line in self._store.latest(key, count)]
        records = [
            record for record in records if record["started_at"] > oldest and query.matches(record)
        ]
        records.sort(key=lambda record: float(record["started_at"]), reverse=True)
        is_admin = caller.role == "admin"
        return [render(record, is_admin=is_admin) for record in records]

    def _to_line(self, record: Record, params: Mapping[str, object] | None) -> bytes:
        """Return a record as JSON, as short as it must be; only the parameters need a mask."""
        line = dump_json(record)
        params_json = self._masker.mask_line(dump_json(params))
        if len(line) > MAX_RECORD_BYTES:
            attempts = record["attempts"][:MAX_SHORTENED_ENTRIES]
            events = record["events"][:MAX_SHORTENED_ENTRIES]
            line = dump_json({**record, "attempts": attempts, "events": events})
        if len(line) + len(params_json) > MAX_RECORD_BYTES:
            params_json = b"null"
        return line[:-1] + b',"params":' + params_json + b"}"


def _by_list(batch: Iterable[tuple[Record, bytes]]) -> dict[str, list[bytes]]:
    """Return the lines of a batch by request id and by caller, as the store's lists have them."""
    lists: dict[str, list[bytes]] = {}
    for record, line in batch:
        lists.setdefault(_bucket_key(record["request_id"]), []).append(line)
        for kind in _kinds(record):
            lists.setdefault(f"calls:{kind}:{record['caller']}", []).append(line)
    return lists


def _of_everybody(batch: Iterable[tuple[Record, bytes]]) -> dict[str, list[bytes]]:
    """Return the lines of a batch for the lists that have everybody's."""
    lists: dict[str, list[bytes]] = {}
    for record, line in batch:
        for kind in _kinds(record):
            lists.setdefault(f"calls:{kind}", []).append(line)
    return lists


def _kinds(record: Record) -> tuple[str, ...]:
    return ("all", "failed") if record["code"] else ("all",)


def _bucket_key(request_id: str) -> str:
    return f"calls:{zlib.crc32(request_id.encode()) % BUCKETS}"
