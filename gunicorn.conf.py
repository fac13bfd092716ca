"""The server, set by the same settings as the service. ``gunicorn`` alone, in this folder, starts it."""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()  # before anything else imports ssl, opens a socket or starts a thread

import gc
import itertools
import shutil
import signal
import sys

import gevent

from api import logs
from api import threads as native
from api.auth.jwt import AccessTokens
from config import Settings, SettingsError, places
from gateway.catalog.loader import CatalogError
from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.metrics import bury, share, shared_folder
from gateway.sources import open_source
from gateway.sources.watcher import Watcher
from server import allocator, descriptors, http1, stopping
from server.log import Logger
from server.resolver import Resolver
from server.worker import Worker

gevent.config.resolver = Resolver  # before the first look-up
allocator.give_back_large_blocks()
gc.set_threshold(
    50_000, 20, 50
)  # a large catalog is loaded a third faster, a call disturbed less often
try:  # here and not only in each worker, or gunicorn would start failing workers for ever
    _settings = Settings.from_env()
    AccessTokens(_settings, SystemClock())  # reads the key files
    _masker = Masker()
    _log = logs.configure(_settings.log_level, _masker, sys.stdout.buffer)
    _source = open_source(
        _settings.catalog, _settings.environ, SystemClock(), _masker, native.run_in_thread_within
    )
    _watcher = Watcher.of(
        _source, _settings.environ, _settings.catalog_copy, clock=SystemClock(), log=_log
    )
    _watcher.load()
    _source.close()
except (SettingsError, CatalogError) as error:
    raise SystemExit(f"Postern does not start:\n{error}") from error

_descriptors = descriptors.raise_limit()
wsgi_app = "wsgi:app"
bind = _settings.bind
workers = _settings.web_concurrency
worker_class = (
    Worker  # gevent: one worker holds thousands of slow calls, at half the CPU of a thread each
)
worker_connections = descriptors.connections_within(_descriptors)
keepalive = 75  # seconds; above nginx's 60, so that it is nginx who closes an idle connection
graceful_timeout = 30 + _settings.drain_seconds
timeout = 60
control_socket_disable = True
limit_request_line = http1.MAX_LINE_BYTES
limit_request_field_size = http1.MAX_HEADER_BYTES
limit_request_fields = http1.MAX_HEADERS
forwarder_headers = ""  # no proxy may say SCRIPT_NAME or PATH_INFO for us
accesslog = None  # the service writes its own line for each request
loglevel = "warning"
logger_class = Logger

_metrics = shared_folder()  # what the workers count; gone with the master


def on_starting(server):
    """Once, and not when a running server reads this anew or hands its sockets to its successor."""
    for warning in _settings.warnings:
        print(f"Postern: warning: {warning}", file=sys.stderr)  # noqa: T201
    if "GUNICORN_FD" in _settings.environ or "LISTEN_FDS" in _settings.environ:
        return
    for address in server.cfg.address:
        if isinstance(address, tuple):
            if problem := places.listen_problem(*address):
                raise SystemExit(f"Postern does not start:\n{problem}")
            if warning := places.listen_warning(*address):
                print(f"Postern: warning: {warning}", file=sys.stderr)  # noqa: T201


def when_ready(server):
    _log.info("limits", descriptors=_descriptors, calls_per_worker=worker_connections)
    _watcher.keep()  # a worker may have to be replaced before it has done so itself
    Watcher.succeeding = True
    stopping.announce(server)


def pre_fork(server, worker):
    taken = {each.slot for each in server.WORKERS.values()}
    worker.slot = next(
        slot for slot in itertools.count() if slot not in taken
    )  # a successor counts on in its place


def post_fork(server, worker):
    share(_metrics, worker.slot, _log.warning)


def child_exit(server, worker):
    bury(_metrics, worker.slot)


def on_exit(server):
    shutil.rmtree(_metrics, ignore_errors=True)


def worker_exit(server, worker):
    if getattr(worker, "wsgi", None) is not None:  # it may have failed before there was one
        worker.wsgi.extensions["postern"].gateway.close()


def post_worker_init(worker):
    gc.collect()
    gc.freeze()  # what was made at start stays; the collector need not look at it for every call
    worker.wsgi.extensions["postern"].gateway.start()
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the master tells its workers
    if worker.age == 1:
        print(f"Postern listens on http://{bind}", flush=True)  # noqa: T201
