"""Who waits for a caller's bytes, and when that is over."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent import socket

from api.errors import MalformedBody
from server import connections
from server.connections import CHUNK_BYTES, CallerConnection, CallerConnections
from server.request_body import open_body
from server.request_head import Request


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> CallerConnections:
    """Connections whose heads are overdue as soon as they have begun."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0)
    return CallerConnections(idle_seconds=60, max_senders=10)


@pytest.fixture
def begun(group: CallerConnections) -> Any:
    """The caller's end of a connection whose head has begun, and what reads the head."""
    caller, ours = socket.socketpair()
    with caller, ours:
        caller.send(b"GET /")
        reader = gevent.spawn(lambda: CallerConnection(ours, group).read_head())
        while not group.senders:
            gevent.sleep(0)
        yield caller, reader


def test_what_came_while_the_process_stood_still_is_read_before_its_sender_is_overdue(
    group: CallerConnections, begun: Any
) -> None:
    caller, reader = begun
    caller.send(b" HTTP/1.1\r\n\r\n")
    group.end_overdue()
    assert reader.get() == b"GET / HTTP/1.1"


def test_who_has_sent_nothing_more_at_the_second_look_is_overdue(
    group: CallerConnections, begun: Any
) -> None:
    _, reader = begun
    group.end_overdue()
    group.end_overdue()
    with pytest.raises(MalformedBody):
        reader.get()


def test_small_chunks_that_have_all_come_hold_up_nobody_else(group: CallerConnections) -> None:
    size = CHUNK_BYTES  # of which each is six bytes long
    request = Request({}, "POST", 1)
    request.length = None
    caller, ours = socket.socketpair()
    with caller, ours:
        caller.sendall(b"1\r\nx\r\n" * size + b"0\r\n\r\n")
        body = open_body(CallerConnection(ours, group), request)
        other = gevent.spawn(lambda: None)
        assert body.read() == b"x" * size
        assert other.ready()
