"""Numbers under which cached values lie: a change replaces the number, and nothing is searched for.

A slow reader that still caches an old value does so under the old number.
"""

from __future__ import annotations

from secrets import token_hex

from gateway.stores.base import Store

#: Far longer than anything is cached; a number that ends is followed by a new one.
RETENTION_SECONDS = 30 * 86400.0


class Generations:
    """The generations of named things, in a store that all workers share.

    :param key: the store's key of a name, such as ``cache-generation:{}``.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    def current(self, *names: str) -> str:
        """Return what a key holds for the present generation of all these names.

        :raises StoreUnavailable: they cannot be known; who goes on caches under its own text.
        """
        keys = [self._key.format(name) for name in names]
        generations = self._store.get_many(*keys)
        if None in generations:
            for key, value in zip(keys, generations, strict=True):
                if value is None:  # of two workers, both go on with the first one's
                    self._store.add(key, _new(), RETENTION_SECONDS)
            generations = [value or _new() for value in self._store.get_many(*keys)]
        return b".".join(generations).decode()  # type: ignore[arg-type] # none is None

    def replace(self, name: str) -> None:
        """Begin a new generation.

        :raises StoreUnavailable: the old one goes on.
        """
        self._store.set(self._key.format(name), _new(), RETENTION_SECONDS)

    def end(self, name: str) -> None:
        """End the generation, at the latest when the store is back, before anybody may ask it."""
        self._store.forget(self._key.format(name))


def _new() -> bytes:
    return f'"{token_hex(8)}"'.encode()  # JSON, as workers of an older version read it
