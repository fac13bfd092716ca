"""Row counts of lists, cached for a moment: to count costs more than to read a page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, func
from sqlalchemy.orm import Session

MAX_AGE_SECONDS = 5  # rows that another worker wrote since may be missing from a count
MAX_QUERIES = 256  # whose counts are cached


class RowCounts:
    """Cached counts, each valid until this process writes, and for ``MAX_AGE_SECONDS`` at most."""

    def __init__(self) -> None:
        self._cache: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._writes = 0

    def count(self, session: Session | Connection, query: Select[Any]) -> int:
        """Count the rows of ``query`` now."""
        began = time.monotonic()
        writes = self._writes
        total = session.scalar(_count_query(query)) or 0
        with self._lock:
            if writes == self._writes:
                self._cache[_key(query)] = (total, began)
            while len(self._cache) > MAX_QUERIES:
                self._cache.popitem(last=False)
        return total

    def recent(self, session: Session | Connection, query: Select[Any]) -> int:
        """Return the cached count if it is still valid, else count."""
        entry = self._cache.get(_key(query))
        if entry and time.monotonic() - entry[1] < MAX_AGE_SECONDS:
            return entry[0]
        return self.count(session, query)

    def clear(self) -> None:
        """Drop all counts, after a write."""
        with self._lock:
            self._writes += 1
            self._cache.clear()


# Both are built once for a query object that a view reuses.
@lru_cache(maxsize=64)
def _count_query(query: Select[Any]) -> Select[Any]:
    return query.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)


@lru_cache(maxsize=64)
def _key(query: Select[Any]) -> Hashable:
    """Return tables and conditions; to compile the statement would cost more than most counts."""
    tables = tuple(map(str, query.columns_clause_froms))
    where = query.whereclause
    if where is None:
        return tables
    compiled = where.compile()
    return tables, compiled.string, repr(sorted(compiled.params.items()))
