"""The server, by the service's settings. ``gunicorn`` alone, in this folder, starts it."""

# ruff: noqa: E402
import os
import sys
from pathlib import Path

from gunicorn.config import Chdir

# The folder, not a link to it (/opt/postern/current): a HUP or a worker begun after the link has
# moved shall read the code that the master has, never a part of another version's.
chdir = str(Path.cwd())
sys.path[:] = [chdir if path == Chdir.default else path for path in sys.path]
os.environ["PWD"] = Chdir.default = chdir  # gunicorn had the link from a shell's PWD

from server import patching

patching.patch_all()  # before anything else imports ssl, opens a socket or starts a thread

import gc

gc.disable()  # until all is imported: it would look for garbage that is not there

import gevent

from api import parts  # noqa: F401 - for all workers, which share it, and start the sooner
from server import process, request_head
from server.log import Logger
from server.master import Master
from server.resolver import Resolver
from server.worker import Worker

gevent.config.resolver = Resolver  # before the first look-up
process.tune_memory()
master = Master.load()
gc.enable()

wsgi_app = "wsgi:app"
bind = master.settings.bind
workers = master.settings.web_concurrency
worker_class = Worker  # a greenlet a call: thousands of slow ones, at half the CPU of threads
worker_connections = master.connections_per_worker
keepalive = 75  # seconds; above nginx's 60, so that it is nginx who closes an idle connection
graceful_timeout = 30 + master.settings.drain_seconds
timeout = 60
control_socket_disable = True
limit_request_line = request_head.MAX_LINE_BYTES
limit_request_field_size = request_head.MAX_HEADER_BYTES
limit_request_fields = request_head.MAX_HEADERS
forwarder_headers = ""  # no proxy may say SCRIPT_NAME or PATH_INFO for us
accesslog = None  # the service writes its own line for each request
loglevel = "warning"
logger_class = Logger

on_starting = master.on_starting
when_ready = master.when_ready
pre_fork = master.pre_fork
post_fork = master.post_fork
post_worker_init = master.post_worker_init
worker_exit = master.worker_exit
child_exit = master.child_exit
on_exit = master.on_exit
