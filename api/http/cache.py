"""Reads are cached until the next write, exactly, whichever worker writes.

The key holds the resource's generation, and a write ends it once it is committed: older entries are
then out of reach, and a slow reader that still stores an old answer stores it under the old one.

While Redis is away nothing is stored or found. A worker that could not end a generation meanwhile
does so within about a second of finding Redis again; only if it died first, or between its commit
and the cache, are old answers served, for ``MAX_AGE_SECONDS``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from flask import Flask, Response
from flask_caching import Cache
from flask_caching.backends.base import BaseCache
from sqlalchemy.orm import Session

from api.context import app_state
from api.http.etags import etag_response, hash_etag
from api.request_context import current_app_context, current_context
from gateway.bodies import dump_json
from gateway.errors import StoreUnavailable
from gateway.stores import BestEffortStore, Generations, Store

T = TypeVar("T", Session, sa.Connection)

#: A bound for writes that do not end the generation, such as a command's.
MAX_AGE_SECONDS = 60
MAX_CACHED_BYTES = 256 * 1024  # a larger answer is made anew each time


def cached_response(
    resource: str, load: Callable[[], tuple[Any, str | None]], *, audience: str = "all"
) -> Response:
    """Return the response to this path and query, whose data is loaded only if it is not cached.

    :param resource: a write that names it ends what is cached.
    :param load: returns the data and its ETag; without one it is the data's hash.
    :param audience: who may see the response: ``all`` with a token, or one ``caller_cache_key()``.
    """
    cache = _store_cache()
    path = current_context().request.full_path
    key = f"{resource}:{_generation(cache, resource)}:{audience}:{path}"
    entry = cache.get(key)
    if entry is None:
        data, etag = load()
        body = dump_json(data)
        entry = (body.decode(), etag or hash_etag(sha256(body)))
        if len(body) <= MAX_CACHED_BYTES:
            cache.set(key, entry, MAX_AGE_SECONDS)
    body, etag = entry
    return etag_response(orjson.Fragment(body), etag)


def caller_cache_key() -> str:
    """Return the caller's part of a cache key, its role included: a former admin sees less."""
    caller = current_context().g.caller
    return f"{caller.id}:{caller.role}"


def write_session(*resources: str) -> AbstractContextManager[Session]:
    """Open a transaction that may write; its commit invalidates cached reads of these resources.

    It also stores the response under the Idempotency-Key: see ``idempotent_by_database``.
    """
    return _write(app_state().database.write_session(), resources)


def write_connection(*resources: str) -> AbstractContextManager[sa.Connection]:
    """Open the same for statements on columns."""
    return _write(app_state().database.write_connection(), resources)


@contextmanager
def _write(transaction: AbstractContextManager[T], resources: Iterable[str]) -> Iterator[T]:
    claim = current_context().g.claim
    with transaction as session:
        if claim:
            claim.begin(session)
        yield session
        if claim:
            claim.store_response(session)
    for resource in resources:
        _store_cache().generations.end(resource)


def _generation(cache: StoreCache, resource: str) -> str:
    try:
        return cache.generations.current(resource)
    except StoreUnavailable:
        return uuid.uuid4().hex


def _store_cache() -> StoreCache:
    """Return what the app's ``Cache`` stands for; it looks for it through two proxies each time."""
    caches: dict[Cache, StoreCache] = current_app_context().app.extensions["cache"]
    return caches[app_state().cache]


# --- Flask-Caching's backend: JSON in the shared store. A store that is away holds nothing.

MAX_TTL_SECONDS = 30 * 86400  # which Flask-Caching calls 0


class StoreCache(BaseCache):
    """Values are JSON, never pickles: whoever may write to Redis may not run code here."""

    def __init__(self, store: Store, default_timeout: int = 300, **_: Any) -> None:
        super().__init__(default_timeout)
        self._store = BestEffortStore(store)
        self.generations = Generations(store, _store_key("generation:{}"))

    @classmethod
    def factory(
        cls, app: Flask, config: dict[str, Any], args: list[Any], options: dict[str, Any]
    ) -> StoreCache:
        return cls(*args, **options)

    def get(self, key: str) -> Any:
        value = self._store.get(_store_key(key))
        if value is None:
            return None
        return orjson.loads(value)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self._store.set(_store_key(key), orjson.dumps(value), self._seconds(timeout))
        return True

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        return self._store.add(_store_key(key), orjson.dumps(value), self._seconds(timeout))

    def delete(self, key: str) -> bool:
        """Delete a value; whatever becomes of the store, it is not found there again."""
        self._store.forget(_store_key(key))
        return True

    def clear(self) -> bool:
        """Do nothing: the store holds more than the cache, and has no list of it."""
        return False

    def _seconds(self, timeout: Any) -> float:
        return self._normalize_timeout(timeout) or MAX_TTL_SECONDS


def _store_key(key: str) -> str:
    return f"cache:{key}"
