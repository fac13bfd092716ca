"""The log: JSON, a line for each event."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

from gateway.bodies import dump_json
from gateway.masking import Masker

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


LEVELS = ("debug", "info", "warning", "error")


class JsonLog:
    """A logger whose every line is JSON, without any secret that the masker knows.

    ``log.info("event", key=value)`` writes ``{"key": value, "event": "event", "level": ...,
    "timestamp": ...}``.

    :param level: one of ``LEVELS``; what is below it is not written.
    :param stream: each line is one ``write``, which other threads' lines do not cut.
    """

    def __init__(self, level: str, masker: Masker, stream: BinaryIO) -> None:
        self._mask_line = masker.mask_line
        self._stream = stream
        silent = LEVELS[: LEVELS.index(level)]
        for name in LEVELS:
            write = _ignore if name in silent else partial(self._write, name)
            setattr(self, name, write)

    debug: Callable[..., None]
    info: Callable[..., None]
    warning: Callable[..., None]
    error: Callable[..., None]

    def _write(self, level: str, event: str, /, **fields: Any) -> None:
        """
        :param fields: the line's keys; ``exc_info`` is an exception, or ``sys.exc_info()``.
        """
        if "exc_info" in fields and (error := fields.pop("exc_info")):
            fields["exception"] = _format_exception(error)
        fields["event"] = event
        fields["level"] = level
        fields["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self._stream.write(self._mask_line(dump_json(fields)) + b"\n")
        self._stream.flush()


def _ignore(event: str, /, **fields: Any) -> None:
    """Write nothing."""


def _format_exception(error: Any) -> str:
    if isinstance(error, BaseException):
        lines = traceback.format_exception(error)
    elif isinstance(error, tuple):
        lines = traceback.format_exception(*error)
    else:
        lines = traceback.format_exception(*sys.exc_info())
    return "".join(lines).rstrip("\n")


_logs: list[JsonLog] = []


def configure(level: str, masker: Masker, stream: BinaryIO) -> JsonLog:
    """Return a new log, which ``current_log`` gives from here on.

    :param level: debug, info, warning or error.
    """
    _logs[:] = [JsonLog(level.lower(), masker, stream)]
    return _logs[0]


def current_log() -> JsonLog:
    """Return the log of this process, for the server, which knows of no app."""
    return _logs[0]
