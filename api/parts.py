"""What the app is made of, for views: ``parts().gateway`` and not a configuration key deep inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event
from typing import Any, TypeVar, cast

from flask import current_app
from flask_caching import Cache

from api.file_store import FileStore
from config import Settings
from gateway import Gateway
from gateway.masking import Masker
from gateway.stores import Store
from gateway.watcher import Watcher
from models import Database

T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """
    :param make_gateway: called once; raises a ``CatalogError`` where there is no good catalog.
    :param stopping: set by the server once it ends, while it still serves.
    """

    settings: Settings
    database: Database
    files: FileStore
    store: Store
    make_gateway: Callable[[], Gateway]
    watcher: Watcher
    cache: Cache
    masker: Masker
    log: Any
    stopping: Event = field(default_factory=Event)

    @cached_property
    def gateway(self) -> Gateway:
        """A server makes it as it starts, a command once it needs it."""
        return self.make_gateway()


def parts() -> Parts:
    """The parts of the app that serves this request."""
    return cast(Parts, current_app.extensions["postern"])


def behind(proxy: T) -> T:
    """What ``g`` or ``request`` stands for, for who asks several things of it: the proxy looks for it at every one."""
    return cast(T, proxy._get_current_object())  # type: ignore[attr-defined]
