"""A worker's counts in mapped files, which any worker can read.

The space of a file is taken before anything is written into it. prometheus_client makes them
sparse; where the disk is full, a write into such a hole is a SIGBUS, which ends the process.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from gateway.clock import Clock, SystemClock

INITIAL_BYTES = 64 * 1024
RETRY_SECONDS = 1.0
_PAIR = struct.Struct("dd")
_ENTRY_BYTES = 32  # more than an entry takes beside its key


class MetricFiles:
    """The files of one process: knows which of them wait for space, and has the log say so once.

    :param slot: no other living process has it.
    :param warn: as the log's ``warning``.
    """

    def __init__(
        self, folder: str, slot: int, warn: Callable[..., Any], clock: Clock | None = None
    ) -> None:
        self.clock = clock or SystemClock()
        self._folder = Path(folder)
        self._slot = slot
        self._warn = warn
        self._files: dict[str, MetricFile] = {}
        self._waiting: set[MetricFile] = set()

    def value(
        self, kind: str, metric: str, name: str, *series: Any, multiprocess_mode: str = ""
    ) -> SharedValue:
        """Return one number of a metric: what prometheus_client asks of its ``ValueClass``.

        :param series: names and values of its labels, and the metric's help text.
        """
        if kind == "gauge":
            kind = f"gauge_{multiprocess_mode}"
        if kind not in self._files:
            self._files[kind] = MetricFile(str(self._folder / f"{kind}_{self._slot}.db"), self)
        key = mmap_key(metric, name, *series)
        return SharedValue(self._files[kind], key)

    def note_full(self, file: MetricFile, error: OSError) -> None:
        """Note that a file has no space."""
        if not self._waiting:
            self._warn(
                "metrics",
                problem="new counts are missing until there is space for them",
                error=str(error),
            )
        self._waiting.add(file)

    def note_space(self, file: MetricFile) -> None:
        """Note that a file has got space."""
        if file in self._waiting:
            self._waiting.remove(file)
            if not self._waiting:
                self._warn("metrics", hint="there is space again: everything is counted")


class SharedValue:
    """A number in a file. Only the greenlets of one thread may change it: none waits meanwhile."""

    def __init__(self, file: MetricFile, key: str) -> None:
        self._file = file
        self._key = key
        self._value, _ = file.read_value(key)

    def inc(self, amount: float) -> None:
        self._value += amount
        start = self._file._positions.get(self._key)
        if start is None:
            self._file.write_value(self._key, self._value, 0.0)
        else:
            self._file._m[start : start + _PAIR.size] = _PAIR.pack(self._value, 0.0)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """:param timestamp: Unix seconds, of a gauge of which the latest value counts."""
        self._value = value
        self._file.write_value(self._key, value, timestamp or 0.0)

    def get(self) -> float:
        return self._value

    def get_exemplar(self) -> None:
        """Return None, as there are no exemplars in files."""


class MetricFile(MmapedDict):
    """prometheus_client's, but full of bytes that are there.

    A value that has no place in it stays in the worker's memory, and is written once there is one.
    """

    def __init__(self, name: str, files: MetricFiles) -> None:
        self._path = Path(name)
        self._files = files
        self._retry_at = 0.0
        self._f: Any = None
        self._m: Any = None
        self._positions: dict[str, int] = {}

    def read_value(self, key: str) -> tuple[float, float]:
        if self._has(key):
            return super().read_value(key)  # type: ignore[no-any-return, no-untyped-call]
        return 0.0, 0.0

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        if key in self._positions or self._has(key):
            start = self._positions[key]
            self._m[start : start + _PAIR.size] = _PAIR.pack(value, timestamp)

    def _has(self, key: str) -> bool:
        """Return whether the key has a place, which it gets if there is room.

        A full disk is not asked for every count.
        """
        if key not in self._positions and self._files.clock.now() >= self._retry_at:
            try:
                self._add(key)
            except OSError as error:
                self._retry_at = self._files.clock.now() + RETRY_SECONDS
                self._files.note_full(self, error)
        return key in self._positions

    def _add(self, key: str) -> None:
        if self._f is None:
            self._open()
        if key in self._positions:  # a worker before this one counted it
            return
        while self._used + len(key.encode()) + _ENTRY_BYTES > self._capacity:
            self._grow()
        self._init_value(key)  # type: ignore[no-untyped-call]

    def _open(self) -> None:
        if not self._path.exists():
            # A reader of the folder must not see the file before it is whole.
            new = self._path.with_suffix(".new")
            with new.open("wb") as file:
                _extend(file.fileno(), INITIAL_BYTES)
            new.replace(self._path)
        super().__init__(str(self._path))  # type: ignore[no-untyped-call]
        self._files.note_space(self)

    def _grow(self) -> None:
        size = self._capacity * 2
        _extend(self._f.fileno(), size)
        self._m = mmap.mmap(self._f.fileno(), size)
        self._capacity = size
        self._files.note_space(self)


def _extend(file: int, size: int) -> None:
    """Write zeros until the file has this size: works everywhere, unlike ``posix_fallocate``.

    :raises OSError: there is no room; the file is as it was.
    """
    before = os.fstat(file).st_size
    try:
        while (missing := size - os.fstat(file).st_size) > 0:
            os.write(file, bytes(missing))
    except OSError:
        os.ftruncate(file, before)
        raise
