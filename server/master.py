"""gunicorn's master: its checks before the first worker, and its part as workers come and go."""

from __future__ import annotations

import gc
import itertools
import shutil
import signal
import sys
from typing import Any

import gevent
from gevent.monkey import get_original

from api import logs
from api.auth.jwt import AccessTokens
from api.catalog_watcher import open_watcher
from api.context import AppState
from config import Settings, SettingsError, places
from gateway.catalog.loader import CatalogError
from gateway.clock import SystemClock
from gateway.discovery.registration import Registration
from gateway.masking import Masker
from gateway.metrics import end_process, share, shared_folder
from gateway.sources.watcher import Watcher
from server import process, stopping


class Master:
    """The settings that all workers have, and gunicorn's hooks.

    :ivar descriptors: how many files and sockets each process may have open.
    """

    def __init__(self, settings: Settings, watcher: Watcher, log: Any) -> None:
        self.settings = settings
        self.descriptors = process.raise_descriptor_limit()
        self._watcher = watcher
        self._log = log
        self._metrics_folder = shared_folder()  # what the workers count; it ends with the master

    @classmethod
    def load(cls) -> Master:
        """Read settings, key files and catalog here: gunicorn would restart bad workers for ever.

        :raises SystemExit: one of them is wrong.
        """
        try:
            settings = Settings.from_env()
            clock = SystemClock()
            AccessTokens(settings, clock)  # reads the key files
            masker = Masker()
            log = logs.configure(settings.log_level, masker, sys.stdout.buffer)
            watcher = open_watcher(settings, clock, log, masker)
            watcher.load()
            watcher.source.close()
        except (SettingsError, CatalogError) as error:
            raise SystemExit(f"Postern does not start:\n{error}") from error
        return cls(settings, watcher, log)

    @property
    def connections_per_worker(self) -> int:
        return process.connections_within(self.descriptors)

    def on_starting(self, server: Any) -> None:
        """Warn once: not when a server reads its settings anew or hands its sockets to a successor.

        :raises SystemExit: nobody can listen on the address.
        """
        for warning in self.settings.warnings:
            _warn(warning)
        environ = self.settings.environ
        if "GUNICORN_FD" in environ or "LISTEN_FDS" in environ:
            return
        for address in server.cfg.address:
            if isinstance(address, tuple):
                _check_address(*address)

    def when_ready(self, server: Any) -> None:
        self._log.info(
            "limits", descriptors=self.descriptors, calls_per_worker=self.connections_per_worker
        )
        self._watcher.keep()  # a worker may have to be replaced before it has done so itself
        Watcher.succeeding = True
        stopping.announce(server)

    def pre_fork(self, server: Any, worker: Any) -> None:
        """Give the worker the first free slot: a successor counts on in its predecessor's place."""
        stopping.forget(worker.age)
        slots = {other.slot for other in server.WORKERS.values()}
        worker.slot = next(slot for slot in itertools.count() if slot not in slots)

    def post_fork(self, server: Any, worker: Any) -> None:
        # A worker's collector would copy the pages of what the master made by looking at it. The
        # master's own looks on: what a reload leaves behind is collected there.
        gc.freeze()
        share(self._metrics_folder, worker.slot, self._log.warning)

    def post_worker_init(self, worker: Any) -> None:
        gc.collect()
        gc.freeze()  # what was made at start: the collector would look at it for every call
        state = AppState.of(worker.wsgi)
        end_of_turn = gevent.get_hub().loop.run_callback
        state.log.bundle(end_of_turn, get_original("_thread", "get_ident"))
        state.gateway.start()
        worker.registration = _register(state)
        # Ctrl-C reaches the whole group; the master tells its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if worker.age == 1:
            print(f"Postern listens on http://{self.settings.bind}", flush=True)  # noqa: T201

    def worker_exit(self, server: Any, worker: Any) -> None:
        if getattr(worker, "wsgi", None) is not None:  # it may have failed before there was one
            state = AppState.of(worker.wsgi)
            if registration := getattr(worker, "registration", None):
                registration.close()
            state.gateway.close()
            state.log.unbundle()

    def child_exit(self, server: Any, worker: Any) -> None:
        end_process(self._metrics_folder, worker.slot)

    def on_exit(self, server: Any) -> None:
        shutil.rmtree(self._metrics_folder, ignore_errors=True)


def _register(state: AppState) -> Registration | None:
    """Tell Consul of this instance, where the settings say so."""
    settings = state.settings
    announcement = settings.announcement
    if announcement is None:
        return None
    registration = Registration(
        announcement, state.stopping, settings.environ, SystemClock(), state.log, state.masker
    )
    registration.start()
    return registration


def _check_address(host: str, port: int) -> None:
    if problem := places.listen_problem(host, port):
        raise SystemExit(f"Postern does not start:\n{problem}")
    if warning := places.listen_warning(host, port):
        _warn(warning)


def _warn(warning: str) -> None:
    print(f"Postern: warning: {warning}", file=sys.stderr)  # noqa: T201
