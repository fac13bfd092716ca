"""The server, set by the same settings as the service. ``gunicorn`` alone, in this folder, starts it."""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()  # before anything else imports ssl, opens a socket or starts a thread

import contextlib
import gc
import itertools
import shutil
import signal
import socket
import sys
import time

import gevent
from gunicorn import util
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName, ParseException
from gunicorn.http.wsgi import Response
from gunicorn.workers.ggevent import GeventWorker

from api import logs
from api.refused import refused
from config import Settings, SettingsError
from gateway.clock import SystemClock
from gateway.loader import CatalogError
from gateway.masking import Masker
from gateway.metrics import bury, share, shared_folder
from gateway.watcher import Watcher

gc.set_threshold(50_000, 20, 50)  # a large catalog is loaded a third faster, a call disturbed less often
try:  # here and not only in each worker, or gunicorn would start failing workers for ever
    _settings = Settings.from_env()
    _masker = Masker()
    _watcher = Watcher.of(
        _settings.catalog, _settings.environ, _settings.catalog_copy,
        clock=SystemClock(), log=logs.configure(_settings.log_level, _masker, sys.stdout.buffer), masker=_masker,
    )  # fmt: skip
    _watcher.load()
    _watcher.source.close()
except (SettingsError, CatalogError) as error:
    raise SystemExit(f"Postern does not start:\n{error}") from error


class _Silence(gevent.Timeout):
    """A connection's wait for its next request, for ``keepalive`` seconds or until the worker ends."""

    def __init__(self, seconds, silent):
        super().__init__(seconds, False)
        self._silent = silent

    def __enter__(self):
        self._since, self._greenlet = time.monotonic(), gevent.getcurrent()
        self._silent.add(self)
        return super().__enter__()

    def __exit__(self, *caught):
        self._silent.discard(self)
        return super().__exit__(*caught)

    def end(self):
        if time.monotonic() - self._since > 0.2:  # seconds; not what has just begun to come in
            gevent.get_hub().loop.run_callback(self._greenlet.throw, self)


OUR_FAULT = (InvalidResponseHeader, InvalidResponseHeaderName)


class Worker(GeventWorker):
    """gunicorn's, but for three things: several ``Cookie`` lines, what it says to what is not HTTP, and when it ends.

    It ends once its requests have; gunicorn's own waits ``graceful_timeout`` for connections that are only open.
    """

    def init_process(self):
        self.silent = set()
        super().init_process()

    def timeout_ctx(self):
        return _Silence(self.cfg.keepalive, self.silent)

    def handle_request(self, listener_name, req, sock, addr):
        """gunicorn would join several ``Cookie`` lines with a comma, which makes one broken cookie of all."""
        cookies = [value for name, value in req.headers if name == "COOKIE"]
        if len(cookies) > 1:
            req.headers = [each for each in req.headers if each[0] != "COOKIE"] + [("COOKIE", "; ".join(cookies))]
        return super().handle_request(listener_name, req, sock, addr)

    def handle_error(self, req, client, addr, exc):
        """The envelope where gunicorn would write HTML, and a line of ours where it would log what the caller sent."""
        ours = not isinstance(exc, ParseException) or isinstance(exc, OUR_FAULT)
        answer = refused(self.wsgi, addr[0] if addr else None, exc if ours else None)
        with contextlib.suppress(OSError):
            util.write_nonblock(client, answer)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(1)  # what is still coming is read, or its arrival would reset the answer
            for _ in range(32):
                if not client.recv(65536):
                    break

    def handle_exit(self, sig, frame):
        super().handle_exit(sig, frame)
        gevent.spawn(self._end_the_silent)

    def _end_the_silent(self):
        while True:  # gunicorn looks once a second whether any connection is left
            for each in list(self.silent):
                each.end()
            gevent.sleep(0.1)


wsgi_app = "wsgi:app"
bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_concurrency
worker_class = Worker  # gevent: one worker holds thousands of slow calls, at half the CPU of a thread each
worker_connections = 4096
keepalive = 75  # seconds; above nginx's 60, so that it is nginx who closes an idle connection
graceful_timeout = 30
timeout = 60
control_socket_disable = True
limit_request_line = 8190  # bytes; as much as nginx takes
forwarder_headers = ""  # no proxy may say SCRIPT_NAME or PATH_INFO for us
accesslog = None  # the service writes its own line for each request
loglevel = "warning"


class _Held:
    """A socket's place, while a response writes its head and the first of its body."""

    def __init__(self):
        self.pieces = []

    def sendall(self, piece):
        self.pieces.append(piece)


def _write_together(response, piece, write=Response.write):
    """Head and body in one system call, one packet and one wake-up of the caller, where gunicorn takes two."""
    if response.headers_sent:
        return write(response, piece)
    sock, response.sock = response.sock, _Held()
    try:
        write(response, piece)
        sock.sendall(b"".join(response.sock.pieces))
    finally:
        response.sock = sock


Response.write = _write_together


OWN = {"server", "date"}  # gunicorn says them itself and drops any other; of a proxied answer the vendor's are meant


def _process_headers(response, headers, process=Response.process_headers):
    process(response, headers)
    response.headers += [(name, value) for name, value in headers if name.lower() in OWN]


def _default_headers(response, made=Response.default_headers):
    given = {name.lower() for name, _ in response.headers} & OWN
    return [line for line in made(response) if not given or line.partition(":")[0].lower() not in given]


Response.process_headers, Response.default_headers = _process_headers, _default_headers
_metrics = shared_folder()  # what the workers count; gone with the master


def when_ready(server):
    _watcher.keep()  # a worker may have to be replaced before it has done so itself
    Watcher.succeeding = True


def pre_fork(server, worker):
    taken = {each.slot for each in server.WORKERS.values()}
    worker.slot = next(slot for slot in itertools.count() if slot not in taken)  # a successor counts on in its place


def post_fork(server, worker):
    share(_metrics, worker.slot)


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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the master tells its workers
    if worker.age == 1:
        print(f"Postern listens on http://{bind}", flush=True)  # noqa: T201
