"""TLS contexts from files, made anew when these have changed: no restart for a new certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from certifi import where

from gateway.catalog.model import Tls
from gateway.clock import Clock
from gateway.system import MAX_BUNDLE_BYTES, is_exhaustion, read_regular

CHECK_SECONDS = 1.0  # between two checks of the files
Stamp = tuple[int, int, int] | None  # inode, size and time of a file; None where there is none


@dataclass(frozen=True, slots=True)
class Trust:
    """Who is trusted where a service has no ``tls.ca``.

    :param file: PEM certificates; certifi's unless given.
    :param folder: certificates by the hash of their subject, as ``openssl rehash`` names them.
    """

    file: str | None = field(default_factory=where)
    folder: str | None = None


class Certificates:
    """One context for each set of files, shared by the services that name it.

    :param warn: called with what is wrong with files that cannot be used; what they held before
        stays in use.
    """

    def __init__(self, clock: Clock, trust: Trust, warn: Callable[[str], object]) -> None:
        self._clock = clock
        self._trust = trust
        self._warn = warn
        self._contexts: dict[Tls, LiveContext] = {}

    def context(self, tls: Tls) -> LiveContext:
        if tls not in self._contexts:
            self._contexts[tls] = LiveContext(tls, self._trust, self._clock, self._warn)
        return self._contexts[tls]

    def retain(self, used: Collection[Tls]) -> None:
        """Drop the contexts that no service names any more."""
        for tls in self._contexts.keys() - used:
            del self._contexts[tls]


class LiveContext:
    """A TLS context that follows its files."""

    def __init__(self, tls: Tls, trust: Trust, clock: Clock, warn: Callable[[str], object]) -> None:
        self._tls = tls
        self._trust = trust
        self._clock = clock
        self._warn = warn
        self._files = [file for file in (tls.ca or trust.file, tls.cert, tls.key) if file]
        self._context: ssl.SSLContext | None = None
        self._stamps: list[Stamp] = []
        self._bad_stamps: list[Stamp] = []
        self._next_check_at = 0.0

    def get(self) -> ssl.SSLContext:
        """Return the context for a new connection.

        Files that are being written change nothing until they are whole.

        :raises OSError: the files cannot be used, and never could be.
        """
        now = self._clock.now()
        context = self._context
        if context is None or now >= self._next_check_at:
            self._next_check_at = now + CHECK_SECONDS
            context = self._check()
        return context

    def _check(self) -> ssl.SSLContext:
        # Before the files are read: a later change is seen.
        stamps = [_stamp(file) for file in self._files]
        if self._context is not None and stamps == self._stamps:
            return self._context
        try:
            context = self._load()
        except (OSError, ValueError) as error:
            if self._context is None and is_exhaustion(error):
                raise
            if self._context is None:
                raise OSError(f"TLS files: {error}") from error
            if stamps != self._bad_stamps:
                self._warn(
                    f"{', '.join(self._files)}: cannot be used, the ones before stay ({error})"
                )
                self._bad_stamps = stamps
            return self._context
        self._context = context
        self._stamps = stamps
        return context

    def _load(self) -> ssl.SSLContext:
        for file in self._files:
            read_regular(Path(file), MAX_BUNDLE_BYTES)  # OpenSSL would wait for a FIFO
        folder = None if self._tls.ca else self._trust.folder
        context = ssl.create_default_context(cafile=self._tls.ca or self._trust.file, capath=folder)
        if self._tls.cert:
            # Without a password it would ask the terminal.
            context.load_cert_chain(self._tls.cert, self._tls.key, password="")
        return context


def _stamp(file: str) -> Stamp:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
