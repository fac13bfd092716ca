"""A channel is an adapter: what ``requests`` has prepared goes out by it, and comes back as it knows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from gateway.clock import SystemClock
from gateway.errors import ConnectFailed, ReadTimeout
from gateway.http.client import Channel, long_poll_channel
from sandbox import Sandbox
from tests.gateway.fakes import Wire, answer


@pytest.fixture
def channel(box: Sandbox) -> Iterator[Channel]:
    channel = long_poll_channel(box.url, 100_000, SystemClock())
    yield channel
    channel.close()


def test_a_session_sends_a_request_and_gets_a_response(box: Sandbox, channel: Channel) -> None:
    response = channel.session.post(
        f"{box.url}/anything",
        params={"q": "a b"},
        json={"n": 5},
        headers={"X-Own": "1"},
        timeout=30,
    )
    assert (response.status_code, response.ok, response.reason) == (200, True, "OK")
    assert response.headers["Content-Type"] == response.headers["content-type"]
    echo = response.json()
    assert echo["method"] == "POST"
    assert echo["json"] == {"n": 5}
    assert echo["headers"]["x-own"] == "1"
    assert response.request.path_url == "/anything?q=a+b"
    assert response.url == f"{box.url}/anything?q=a+b"


def test_a_prepared_request_keeps_the_connection_of_the_one_before(
    box: Sandbox, channel: Channel
) -> None:
    prepared = channel.session.prepare_request(requests.Request("GET", f"{box.url}/v1/health"))
    answers = [channel.session.send(prepared, timeout=(30, 30)).json() for _ in range(3)]
    assert answers == [{"status": "ok"}] * 3
    assert box.connections == 1


def test_the_head_says_once_what_frames_the_body() -> None:
    with Wire([answer(b"{}")]) as server:
        channel = long_poll_channel(server.url, 1000, SystemClock())
        channel.session.put(f"{server.url}/x", data="text", timeout=30)
        channel.close()
    (sent,) = server.heard
    assert sent.lower().count(b"content-length:") == sent.lower().count(b"host:") == 1
    assert sent.endswith(b"\r\n\r\ntext")


def test_a_failure_is_the_gateways_own() -> None:
    with Wire([answer(b"{}")[:-1]]) as server:
        channel = long_poll_channel(server.url, 1000, SystemClock())
        with pytest.raises(ReadTimeout):
            channel.session.get(server.url, timeout=(30, 0.05))
    with pytest.raises(ConnectFailed):
        channel.session.get(server.url, timeout=30)
    channel.close()


def test_a_url_of_nobody_is_refused(channel: Channel) -> None:
    with pytest.raises(requests.exceptions.InvalidSchema):
        channel.session.get("http://elsewhere.example/")
