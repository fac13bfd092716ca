"""What the app is made of, for views: ``parts().gateway`` and not a configuration key deep inside."""

from __future__ import annotations

from dataclasses import dataclass
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
    settings: Settings
    database: Database
    files: FileStore
    store: Store
    gateway: Gateway
    watcher: Watcher
    cache: Cache
    masker: Masker
    log: Any


def parts() -> Parts:
    """The parts of the app that serves this request."""
    return cast(Parts, current_app.extensions["postern"])


def behind(proxy: T) -> T:
    """What ``g`` or ``request`` stands for, for who asks several things of it: the proxy looks for it at every one."""
    return cast(T, proxy._get_current_object())  # type: ignore[attr-defined]
