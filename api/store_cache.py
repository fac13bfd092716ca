"""Flask-Caching's backend: JSON in the store that everything else shares. A store that is away holds nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
from flask import Flask
from flask_caching.backends.base import BaseCache

from gateway.errors import StoreAway
from gateway.stores import Store

FOREVER = 30 * 86400  # seconds; what Flask-Caching calls 0


class StoreCache(BaseCache):
    """Values are whatever JSON can say, never pickles: whoever may write to Redis may not run code here.

    :param store: comes from ``CACHE_OPTIONS``.
    """

    def __init__(self, store: Store, default_timeout: int = 300, **_: Any) -> None:
        super().__init__(default_timeout)
        self._store = store

    @classmethod
    def factory(cls, app: Flask, config: dict[str, Any], args: list[Any], options: dict[str, Any]) -> StoreCache:
        return cls(*args, **options)

    def get(self, key: str) -> Any:
        with suppress(StoreAway):
            found = self._store.get(_place(key))
            return None if found is None else orjson.loads(found)
        return None

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        with suppress(StoreAway):
            self._store.set(_place(key), orjson.dumps(value), self._normalize_timeout(timeout) or FOREVER)
            return True
        return False

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        with suppress(StoreAway):
            return self._store.add(_place(key), orjson.dumps(value), self._normalize_timeout(timeout) or FOREVER)
        return False

    def delete(self, key: str) -> bool:
        """Whatever becomes of the store, the value is not found there again."""
        self._store.forget(_place(key))
        return True

    def clear(self) -> bool:
        """The store holds more than the cache, and keeps no list of it: it stays as it is."""
        return False


def _place(key: str) -> str:
    return f"cache:{key}"
