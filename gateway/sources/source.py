"""What a source is."""

from __future__ import annotations

from typing import Protocol


class SourceError(Exception):
    """There is no text to be had now. ``str()`` says why to anybody; it names no address and no secret.

    :param detail: for the log only, masked there.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail or message


class Missing(SourceError):
    """The place is there, and empty."""


class Stopping(Protocol):
    """A ``threading.Event``, as far as a source uses one."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float) -> bool: ...


class Source(Protocol):
    """One place where a catalog's text stands. Used by one thread at a time.

    ``name`` is what messages call it, without secrets; ``label`` is what may be said of it to anybody. ``away`` says
    whether it can be away, so that a copy of what it last gave serves a cold start, too.
    """

    name: str
    label: str
    away: bool

    def read(self) -> str:
        """The text as it is now.

        :raises SourceError: it cannot be had.
        """

    def following(self, stopping: Stopping) -> str:
        """The text once it may have changed since it was last given; at the first time, and when stopping, at once.

        :raises SourceError: it cannot be had; asking again waits for a change of that, or fails at once.
        """

    def close(self) -> None:
        """End what ``following`` is waiting for."""
