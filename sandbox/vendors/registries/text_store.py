"""Texts that clients watch by name: what the stand-ins for Consul and Nacos have in common."""

import threading
import time
from abc import ABC, abstractmethod
from typing import Self

from sandbox import misbehave
from sandbox.faults import FaultBook
from sandbox.ledger import Ledger
from sandbox.messages import Reply, Request
from sandbox.server import Server, ServerContext
from sandbox.wire import BadRequestError, ClientConnection


class TextStore(ServerContext, ABC):
    """Serves texts; `put` and `remove` wake whoever waits.

    Port 0 takes a free one and keeps it. Faults are those of `sandbox.faults`, by path.
    """

    def __init__(self, port: int = 0) -> None:
        self.faults = FaultBook()
        self._ledger = Ledger()
        self._texts: dict[str, bytes] = {}
        self._change = threading.Condition()
        self._changes = 0
        self._stopped = False
        self._server = Server("127.0.0.1", port, self._serve)

    def start(self) -> Self:
        self._stopped = False
        return super().start()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()
        super().stop()

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{self._server.host}:{self._server.port}"

    @property
    def requests(self) -> list[Request]:
        return self._ledger.requests()

    @property
    def clients(self) -> int:
        """Connections that are open now."""
        return self._server.open

    def put(self, name: str, text: str | bytes) -> None:
        self._set(name, text.encode() if isinstance(text, str) else text)

    def remove(self, name: str) -> None:
        self._set(name, None)

    @abstractmethod
    def handle(self, request: Request) -> Reply:
        """Answer a request, which may take its time (`wait_for_change`)."""

    def wait_for_change(self, since: int, seconds: float) -> None:
        """Wait until there were more than `since` changes, or the time is up."""
        until = time.monotonic() + seconds
        with self._change:
            while self._changes <= since and not self._stopped:
                remaining = until - time.monotonic()
                if remaining <= 0:
                    return
                self._change.wait(remaining)

    def _set(self, name: str, text: bytes | None) -> None:
        with self._change:
            self._texts.pop(name, None)
            if text is not None:
                self._texts[name] = text
        self.wake()

    def wake(self) -> None:
        """Have whoever waits look again: something has changed."""
        with self._change:
            self._changes += 1
            self._change.notify_all()

    def _serve(self, conn: ClientConnection) -> None:
        try:
            while (request := conn.read_request()) is not None:
                with self._ledger.entry(request):
                    plan = self.faults.plan_for(request)
                if plan:
                    stays_open = misbehave.answer(conn, plan, request, self.handle)
                else:
                    stays_open = conn.send(self.handle(request), request.verb)
                if not stays_open:
                    return
        except BadRequestError as error:
            conn.refuse(error)
