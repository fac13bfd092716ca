"""The log: JSON, a line for each event."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO

from gateway.bodies import dump_json
from gateway.clock import iso_utc
from gateway.masking import Masker

LEVELS = ("debug", "info", "warning", "error")


class JsonLog:
    """A logger whose every line is JSON, without any secret that the masker knows.

    ``log.info("event", key=value)`` writes ``{"key": value, "event": "event", "level": ...,
    "timestamp": ...}``.

    A line is one ``write``, which other threads do not cut; so are, once it is ``bundle``d, all
    lines of one turn of an event loop.

    :param level: one of ``LEVELS``; what is below it is not written.
    :ivar lines: those of this turn that are still to be written.
    """

    def __init__(self, level: str, masker: Masker, stream: BinaryIO) -> None:
        self._mask_line = masker.mask_line
        self._stream = stream
        self.lines: list[bytes] = []
        self._schedule: Callable[[Callable[[], None]], object] | None = None
        self._thread_id: Callable[[], int] = int
        self._loop_thread = 0
        silent = LEVELS[: LEVELS.index(level)]
        for name in LEVELS:
            write = _ignore if name in silent else partial(self._write, name)
            setattr(self, name, write)

    debug: Callable[..., None]
    info: Callable[..., None]
    warning: Callable[..., None]
    error: Callable[..., None]

    def _write(self, level: str, event: str, /, **fields: Any) -> None:
        """:param fields: the line's keys; ``exc_info`` is an exception, or ``sys.exc_info()``."""
        if "exc_info" in fields and (error := fields.pop("exc_info")):
            fields["exception"] = _format_exception(error)
        fields["event"] = event
        fields["level"] = level
        fields["timestamp"] = iso_utc(time.time(), 6)
        line = self._mask_line(dump_json(fields)) + b"\n"
        if self._schedule is None or self._thread_id() != self._loop_thread:
            self._stream.write(line)
            self._stream.flush()
            return
        if not self.lines:
            self._schedule(self._end_turn)
        self.lines.append(line)

    def bundle(
        self, schedule: Callable[[Callable[[], None]], object], thread_id: Callable[[], int]
    ) -> None:
        """Write the lines of a turn of this thread's loop together; those of others at once.

        Who sends something that a line tells of calls ``flush`` first.

        :param schedule: has a function called at the end of the turn, in the same thread.
        :param thread_id: the same for all greenlets of a thread.
        """
        self._thread_id = thread_id
        self._loop_thread = thread_id()
        self._schedule = schedule

    def unbundle(self) -> None:
        """Write each line at once again, as the loop comes to its end."""
        self._schedule = None
        self.flush()

    def flush(self) -> None:
        """Write the lines of this turn."""
        if self.lines:
            text = b"".join(self.lines)
            self.lines.clear()
            self._stream.write(text)
            self._stream.flush()

    def _end_turn(self) -> None:
        if self.lines:
            with suppress(OSError):  # a loop has nobody to tell but this log
                self.flush()


def _ignore(event: str, /, **fields: Any) -> None:
    """Write nothing."""


def _format_exception(error: Any) -> str:
    parts = (error,) if isinstance(error, BaseException) else error
    return "".join(traceback.format_exception(*parts)).rstrip("\n")


_logs: list[JsonLog] = []


def configure(level: str, masker: Masker, stream: BinaryIO) -> JsonLog:
    """Return a new log, which ``current_log`` gives from here on."""
    _logs[:] = [JsonLog(level.lower(), masker, stream)]
    return _logs[0]


def current_log() -> JsonLog:
    """Return the log of this process, for the server, which knows of no app."""
    return _logs[0]
