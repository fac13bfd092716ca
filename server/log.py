"""What gunicorn and gevent have to say, as lines of the one JSON log."""

from __future__ import annotations

import logging
from typing import Any

import gevent
from gunicorn.glogging import Logger as GunicornLogger

from api.logs import current_log


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = current_log()
        write = log.info
        if record.levelno >= logging.ERROR:
            write = log.error
        elif record.levelno >= logging.WARNING:
            write = log.warning
        write("server", message=record.getMessage(), exc_info=record.exc_info)


class Logger(GunicornLogger):
    """gunicorn's, on standard output and in JSON."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers = [_Handler()]


def _log_error(
    context: Any, kind: type[BaseException], error: BaseException, traceback: Any
) -> None:
    current_log().error("unforeseen", exc_info=(kind, error, traceback))


def watch_hub() -> None:
    """Log failures in a greenlet or the event loop, which gevent would print on standard error."""
    gevent.get_hub().print_exception = _log_error
