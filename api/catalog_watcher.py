"""The catalog's watcher by the settings: for the app, and for the server's check at start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api.threads import run_in_thread_within
from config import Settings
from gateway.clock import Clock
from gateway.masking import Masker
from gateway.sources import Source, open_source
from gateway.sources.last_good import LastGood
from gateway.sources.watcher import Watcher


def open_watcher(settings: Settings, clock: Clock, log: Any, masker: Masker) -> Watcher:
    """Return a watcher of CATALOG that has read nothing yet.

    :param masker: learns the secrets that the source's address holds.
    :raises CatalogError: the address is wrong.
    """
    source: Source = open_source(
        settings.catalog, settings.environ, clock, masker, run_in_thread_within
    )
    return Watcher(
        source,
        settings.environ,
        LastGood(Path(settings.catalog_copy), source.name),
        clock=clock,
        log=log,
        run_in_thread=run_in_thread_within,
    )
