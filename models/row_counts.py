"""How many rows a list has: counting them costs more than a page of them, so a count is kept for a moment."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, func
from sqlalchemy.orm import Session

KEPT = 5  # seconds; what another worker wrote since may be missing from it
REMEMBERED = 256  # lists


class Totals:
    """Counts, each good until this process writes, and for a few seconds at most."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._writes = 0

    def count(self, session: Session | Connection, query: Select[Any]) -> int:
        """Count now."""
        began, writes = time.monotonic(), self._writes
        total = session.scalar(_counting(query)) or 0
        with self._lock:
            if writes == self._writes:
                self._kept[_key(query)] = total, began
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return total

    def recent(self, session: Session | Connection, query: Select[Any]) -> int:
        """The last count if it is still good."""
        kept = self._kept.get(_key(query))
        if kept and time.monotonic() - kept[1] < KEPT:
            return kept[0]
        return self.count(session, query)

    def forget(self) -> None:
        """Something was written."""
        with self._lock:
            self._writes += 1
            self._kept.clear()


# For a query that a view keeps, both are made once; other queries pass through.
@lru_cache(maxsize=64)
def _counting(query: Select[Any]) -> Select[Any]:
    return query.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)


@lru_cache(maxsize=64)
def _key(query: Select[Any]) -> Hashable:
    """The tables and the conditions: to compile the whole statement for it would cost more than most counts."""
    tables, where = tuple(map(str, query.columns_clause_froms)), query.whereclause
    if where is None:
        return tables
    compiled = where.compile()
    return tables, compiled.string, repr(sorted(compiled.params.items()))
