"""Reads kept in the cache until the next write, exactly, whichever worker writes.

The key holds the resource's generation, and a write ends it once it is committed: what was kept before is then out of
reach, and a slow reader that still stores an old answer stores it under the old one.

While Redis is away nothing is kept or found. A generation that could not be ended meanwhile is ended by the worker
that wrote as soon as it finds Redis again, within about a second; only if that worker died meanwhile, or between its
commit and the cache, are old answers served for their ``MAX_AGE_SECONDS``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, cast

import orjson
from flask import Flask, Response, g, request
from flask_caching.backends.base import BaseCache
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.context import app_state
from api.http.etags import etag_response, hash_etag
from api.http.idempotency import claimed
from gateway.bodies import dump_json
from gateway.errors import StoreUnavailable
from gateway.stores import BestEffortStore, Generations, Store

# cached: Reads kept in the cache until the next write, exactly, whichever worker writes.

#: A bound for writes that do not end the generation, such as a command's.
MAX_AGE_SECONDS = 60
MAX_CACHED_BYTES = 256 * 1024  # bytes; a larger answer is made anew each time


def cached_response(
    resource: str, make: Callable[[], tuple[Any, str | None]], *, seen_by: str = "all"
) -> Response:
    """The answer to this path and query, made only if it is not kept.

    :param resource: what a write must name to end it.
    :param make: gives the data and its ETag; without one it is the data's hash.
    :param seen_by: who may see this very answer: ``all`` with a token, or the caller alone: ``caller_cache_key()``.
    """
    cache = app_state().cache
    key = f"{resource}:{_generation(resource)}:{seen_by}:{request.full_path}"
    kept = cache.get(key)
    if kept is None:
        data, etag = make()
        body = dump_json(data)
        kept = (body.decode(), etag or hash_etag(sha256(body)))
        if len(body) <= MAX_CACHED_BYTES:
            cache.set(key, kept, MAX_AGE_SECONDS)
    body, etag = kept
    return etag_response(orjson.Fragment(body), etag)


def caller_cache_key() -> str:
    """The caller, as what it is now: an admin who is one no longer sees less."""
    return f"{g.caller.id}:{g.caller.role}"


@contextmanager
def write_session(*resources: str) -> Iterator[Session]:
    """A transaction that may write; once it is committed, kept reads of these resources are out of reach.

    It ends what the request does under its Idempotency-Key, too: see ``idempotent_by_database``.
    """
    with app_state().database.write_session() as session, claimed(session):
        yield session
    _begin_anew(resources)


@contextmanager
def write_connection(*resources: str) -> Iterator[Connection]:
    """The same for statements on columns."""
    with app_state().database.write_connection() as connection, claimed(connection):
        yield connection
    _begin_anew(resources)


def _begin_anew(resources: Iterable[str]) -> None:
    for resource in resources:
        _generations().end(resource)


def _generation(resource: str) -> str:
    try:
        return _generations().current(resource)
    except StoreUnavailable:
        return uuid.uuid4().hex


def _generations() -> Generations:
    return cast(StoreCache, app_state().cache.cache).generations


# store_cache: Flask-Caching's backend: JSON in the store that everything else shares. A store that is away holds
# nothing.

FOREVER = 30 * 86400  # seconds; what Flask-Caching calls 0


class StoreCache(BaseCache):
    """Values are whatever JSON can say, never pickles: whoever may write to Redis may not run code here.

    :param store: comes from ``CACHE_OPTIONS``.
    """

    def __init__(self, store: Store, default_timeout: int = 300, **_: Any) -> None:
        super().__init__(default_timeout)
        self._store = BestEffortStore(store)
        self.generations = Generations(store, _place("generation:{}"))

    @classmethod
    def factory(
        cls, app: Flask, config: dict[str, Any], args: list[Any], options: dict[str, Any]
    ) -> StoreCache:
        return cls(*args, **options)

    def get(self, key: str) -> Any:
        value = self._store.get(_place(key))
        return None if value is None else orjson.loads(value)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self._store.set(_place(key), orjson.dumps(value), self._seconds(timeout))
        return True

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        return self._store.add(_place(key), orjson.dumps(value), self._seconds(timeout))

    def delete(self, key: str) -> bool:
        """Whatever becomes of the store, the value is not found there again."""
        self._store.forget(_place(key))
        return True

    def clear(self) -> bool:
        """The store holds more than the cache, and keeps no list of it: it stays as it is."""
        return False

    def _seconds(self, timeout: Any) -> float:
        return self._normalize_timeout(timeout) or FOREVER


def _place(key: str) -> str:
    return f"cache:{key}"
